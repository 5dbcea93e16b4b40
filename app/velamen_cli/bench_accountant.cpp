// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen_cli/bench_accountant.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/privacy/accountant.h"
#include "engine/privacy/calibration.h"

namespace velamen::app {

namespace {

using namespace privacy;

struct Setting {
    double rate, noise;
    std::int64_t steps;
    double delta;
};
constexpr std::array kSettings{Setting{.01, 1.0, 1000, 1e-5}, Setting{.04, 1.5, 2250, 1e-5},
                               Setting{.01, 4.0, 10'000, 1e-5}, Setting{.5, 5.0, 500, 1e-5},
                               Setting{.001, 1.0, 30'000, 1e-7}};

// Reads one line of settings, writes one line of results: the same three questions.
constexpr const char* kReference = R"(
import json, sys, time
import dp_accounting as dp
from dp_accounting.pld import privacy_loss_distribution as pld, pld_privacy_accountant

def seconds(repeats, job):
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter(); value = job()
        best = min(best, time.perf_counter() - start)
    return best, value

out = []
for s in json.loads(sys.argv[1]):
    one = lambda: pld.from_gaussian_mechanism(s["noise"], sampling_prob=s["rate"], use_connect_dots=True)
    after = lambda p, steps: p.self_compose(steps).get_epsilon_for_delta(s["delta"])
    fresh, epsilon = seconds(3, lambda: after(one(), s["steps"]))
    kept = one()
    steps_only, _ = seconds(3, lambda: after(kept, s["steps"] + 1))
    event = lambda sigma: dp.SelfComposedDpEvent(
        dp.PoissonSampledDpEvent(s["rate"], dp.GaussianDpEvent(sigma)), s["steps"])
    calibration, noise = seconds(1, lambda: dp.calibrate_dp_mechanism(
        pld_privacy_accountant.PLDAccountant, event, s["epsilon"], s["delta"], tol=1e-4 * s["noise"]))
    out.append({"epsilon": epsilon, "fresh_seconds": fresh, "steps_only_seconds": steps_only,
                "calibration_seconds": calibration, "calibrated_noise": noise})
print(json.dumps(out))
)";

struct Timed {
    double seconds = std::numeric_limits<double>::infinity();
    double value = 0.0;
};

/// The minimum of `repeats`; the argument of `job` is the number of the repeat.
template <class Job>
Result<Timed> time_of(int repeats, const Job& job)
{
    Timed timed;
    for (int i = 0; i < repeats; ++i) {
        const auto start = std::chrono::steady_clock::now();
        VELAMEN_ASSIGN(const auto value, job(i));
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        timed.seconds = std::min(timed.seconds, taken.count());
        timed.value = value.value();
    }
    return timed;
}

Result<io::Json> own_times(const Setting& s)
{
    constexpr int kRepeats = 5;
    VELAMEN_ASSIGN(const auto rate, SamplingRate::create(s.rate));
    VELAMEN_ASSIGN(const auto noise, NoiseMultiplier::create(s.noise));
    VELAMEN_ASSIGN(const auto steps, Steps::create(s.steps));
    VELAMEN_ASSIGN(const auto delta, Delta::create(s.delta));
    const Segment segment{{rate, noise}, steps};
    VELAMEN_ASSIGN(const Timed fresh, time_of(kRepeats, [&](int) {
                       return pld_epsilon({&segment, 1}, delta);
                   }));
    VELAMEN_ASSIGN(const auto curve, PldCurve::create(segment.event));
    VELAMEN_TRY(curve.epsilon_after(steps, delta)); // fills its grids
    VELAMEN_ASSIGN(const Timed steps_only, time_of(kRepeats, [&](int i) -> Result<Epsilon> {
                       VELAMEN_ASSIGN(const auto other, Steps::create(s.steps + 1 + i));
                       return curve.epsilon_after(other, delta);
                   }));
    VELAMEN_ASSIGN(const auto target, Epsilon::create(fresh.value));
    VELAMEN_ASSIGN(const Timed calibration,
                   time_of(1, [&](int) { return calibrate_noise(target, delta, rate, steps); }));
    io::Json out = io::Json::object();
    out["epsilon"] = fresh.value;
    out["fresh_seconds"] = fresh.seconds;
    out["steps_only_seconds"] = steps_only.seconds;
    out["calibration_seconds"] = calibration.seconds;
    out["calibrated_noise"] = calibration.value;
    return out;
}

Error no_reference(const std::string& python, const std::string& cause)
{
    return {ErrorCode::NotFound, "'" + python + "' gave no times of dp_accounting: " + cause,
            "name a python that has dp_accounting 0.6, or leave --python away"};
}

/// What the interpreter prints; its errors go to our stderr.
Result<std::string> output_of(const std::string& python, const std::string& settings)
{
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail(no_reference(python, "no pipe"));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::array<std::string, 4> words{python, "-c", kReference, settings};
    std::array<char*, 5> arguments{words[0].data(), words[1].data(), words[2].data(),
                                   words[3].data(), nullptr};
    pid_t child = 0;
    const int refused =
        posix_spawnp(&child, python.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    std::string text;
    std::array<char, 4096> buffer{};
    if (refused == 0)
        for (ssize_t got; (got = read(ends[0], buffer.data(), buffer.size())) > 0;)
            text.append(buffer.data(), static_cast<std::size_t>(got));
    close(ends[0]);
    if (refused != 0) return fail(no_reference(python, "it does not start"));
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return fail(no_reference(python, "it ended with an error"));
    return text;
}

io::Json ratio_of(const io::Json& ours, const io::Json& theirs)
{
    io::Json out = io::Json::object();
    for (const std::string name : {"fresh", "steps_only", "calibration"}) {
        const double own = ours.number_or(name + "_seconds", 0.0).value_or(0.0);
        const double other = theirs.number_or(name + "_seconds", 0.0).value_or(0.0);
        out[name] = own > 0.0 ? io::Json(other / own) : io::Json();
    }
    return out;
}

} // namespace

Result<io::Json> benchAccountant(const std::string& python)
{
    io::Json vectors = io::Json::array(), questions = io::Json::array();
    for (const auto& s : kSettings) {
        io::Json row = io::Json::object();
        row["rate"] = s.rate;
        row["noise"] = s.noise;
        row["steps"] = s.steps;
        row["delta"] = s.delta;
        VELAMEN_ASSIGN(const io::Json own, own_times(s));
        io::Json question = row;
        VELAMEN_ASSIGN(question["epsilon"], own.number("epsilon"));
        questions.push_back(question);
        row["velamen"] = own;
        row["dp_accounting"] = nullptr;
        row["ratio"] = nullptr;
        vectors.push_back(row);
    }
    io::Json out = io::Json::object();
    if (!python.empty()) {
        VELAMEN_ASSIGN(const std::string text, output_of(python, questions.dump()));
        const auto answer = io::Json::parse(text);
        const auto* theirs = answer ? answer->if_array() : nullptr;
        if (theirs == nullptr || theirs->size() != kSettings.size())
            return fail(no_reference(python, "its answer is not understood"));
        io::Json joined = io::Json::array();
        for (std::size_t i = 0; i < theirs->size(); ++i) {
            io::Json row = (*vectors.if_array())[i];
            row["dp_accounting"] = (*theirs)[i];
            row["ratio"] = ratio_of(*row.find("velamen"), (*theirs)[i]);
            joined.push_back(row);
        }
        vectors = joined;
    }
    out["vectors"] = vectors;
    return out;
}

} // namespace velamen::app
