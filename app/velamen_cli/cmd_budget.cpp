// SPDX-License-Identifier: GPL-3.0-or-later
//
// budget: any of epsilon, noise, steps and rate from the other three, by both accountants, in
// words.

#include <array>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "engine/privacy/accountant.h"
#include "engine/privacy/calibration.h"
#include "engine/privacy/explain.h"

namespace velamen::app {

namespace {

using namespace privacy;

struct Options {
    std::optional<double> epsilon, noise, rate;
    std::optional<std::int64_t> steps;
    double delta = 1e-5;
    std::string neighbours = "zero_out";
};

struct Budget {
    SubsampledGaussian event;
    Steps steps;
};

Result<Budget> solve(const Options& o, Delta delta)
{
    const int given = int(o.epsilon.has_value()) + int(o.noise.has_value())
        + int(o.rate.has_value()) + int(o.steps.has_value());
    if (given < 3 || (given == 4))
        return velamen::fail(
            ErrorCode::InvalidArgument,
            fmt::format("{} of --epsilon, --noise, --rate and --steps are given", given),
            "give exactly three; the fourth is computed");
    std::optional<SamplingRate> rate;
    std::optional<NoiseMultiplier> noise;
    std::optional<Steps> steps;
    if (o.rate) {
        VELAMEN_ASSIGN(rate, SamplingRate::create(*o.rate));
    }
    if (o.noise) {
        VELAMEN_ASSIGN(noise, NoiseMultiplier::create(*o.noise));
    }
    if (o.steps) {
        VELAMEN_ASSIGN(steps, Steps::create(*o.steps));
    }
    if (o.epsilon) {
        if (!(*o.epsilon > 0.0))
            return velamen::fail(ErrorCode::InvalidArgument,
                                 fmt::format("epsilon is {}, but it must be above 0", *o.epsilon),
                                 "1 is strong, 10 is weak");
        VELAMEN_ASSIGN(const Epsilon target, Epsilon::create(*o.epsilon));
        if (!noise) {
            VELAMEN_ASSIGN(noise, calibrate_noise(target, delta, *rate, *steps));
        } else if (!steps) {
            VELAMEN_ASSIGN(steps, max_steps(target, delta, {*rate, *noise}));
        } else {
            VELAMEN_ASSIGN(rate, max_rate(target, delta, *noise, *steps));
        }
    }
    return Budget{{*rate, *noise}, *steps};
}

int run(const Options& o, const Context& context)
{
    const Output output = context.output();
    const auto delta = Delta::create(o.delta);
    if (!delta) return output.fail(delta.error());
    const auto relation = neighbours_of(o.neighbours);
    if (!relation) return output.fail(relation.error());
    const auto budget = solve(o, *delta);
    if (!budget) return output.fail(budget.error());
    const std::array segments{Segment{budget->event, budget->steps}};
    const auto epsilon = pld_epsilon(segments, *delta);
    if (!epsilon) return output.fail(epsilon.error());
    const RdpBound rdp = rdp_epsilon(segments, *delta);

    io::Json json = io::Json::object();
    json["epsilon"] = epsilon->value();
    json["epsilon_rdp"] = rdp.epsilon.value();
    json["noise"] = budget->event.noise.value();
    json["steps"] = budget->steps.value();
    json["rate"] = budget->event.rate.value();
    json["delta"] = o.delta;
    json["neighbours"] = o.neighbours;
    json["rdp_order"] = rdp.order;
    io::Json odds = io::Json::object();
    for (const double prior : {0.01, 0.1, 0.5})
        odds[fmt::format("{}", prior)] = posterior(prior, *epsilon);
    json["posterior"] = odds;
    io::Json attacker = io::Json::object();
    std::string attacker_line;
    if (const auto curve = PldCurve::create(budget->event); curve)
        for (const double alarms : {0.001, 0.01, 0.05})
            if (const auto found = curve->true_positive_rate(budget->steps, alarms); found) {
                attacker[fmt::format("{}", alarms)] = *found;
                if (alarms == 0.01)
                    attacker_line = fmt::format("An attacker who accepts 1 % false alarms finds at "
                                                "most {:.1f} % of the members.",
                                                std::ceil(*found * 1000.0) / 10.0);
            }
    json["true_positive_rate"] = attacker;
    output.answer(json);

    output.line(fmt::format("epsilon  {}  (PLD; RDP bound {} at order {})", epsilon_text(*epsilon),
                            epsilon_text(rdp.epsilon), rdp.order));
    output.line(fmt::format("delta    {}", one_in(o.delta)));
    output.line(fmt::format("noise    {:.6g}   rate {:.6g}   steps {}   neighbours {}",
                            budget->event.noise.value(), budget->event.rate.value(),
                            budget->steps.value(), o.neighbours));
    output.line(odds_sentence(*epsilon));
    output.line(attacker_line);
    if (rdp.at_end_order)
        output.line("note: the best RDP order is the last of the list; a tighter bound may exist");
    return Ok;
}

} // namespace

void addBudget(CLI::App& app, Context& context)
{
    auto o = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("budget", "Epsilon, noise, steps or rate from the others");
    command->add_option("--epsilon", o->epsilon, "Target epsilon");
    command->add_option("--noise", o->noise, "Effective noise multiplier sigma");
    command->add_option("--rate", o->rate, "Sampling rate q of a unit and step");
    command->add_option("--steps", o->steps, "Number of steps T");
    command->add_option("--delta", o->delta, "Delta")->capture_default_str();
    command->add_option("--neighbours", o->neighbours, "zero_out or add_remove")
        ->capture_default_str();
    command->callback([o, &context] { context.exitCode = run(*o, context); });
}

} // namespace velamen::app
