// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen_cli/bench_optimiser.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "app/velamen_cli/bench_parts.h"
#include "engine/data/poisson.h"
#include "engine/dpsgd/clipper.h"
#include "engine/dpsgd/kernel_calls.h"
#include "engine/dpsgd/optimiser.h"
#include "engine/privacy/ledger.h"

namespace velamen::app {

namespace {

constexpr int kRepeats = 7;
constexpr double kReads = 5.0, kWrites = 4.0;

/// Matrices of 1280 x 1280 with a bias each, as in the widest attention blocks, and a rest.
dpsgd::TrainedTensors tensors_of(std::int64_t parameters)
{
    dpsgd::TrainedTensors out;
    for (bool is_bias = false; parameters > 0; is_bias = !is_bias) {
        const std::int64_t count = std::min<std::int64_t>(parameters, is_bias ? 1280 : 1280 * 1280);
        out.push_back({"tensor" + std::to_string(out.size()),
                       torch::full({count}, 0.01).requires_grad_(true)});
        parameters -= count;
    }
    return out;
}

dpsgd::ClippedSum empty_sum(dpsgd::Clipper& clipper)
{
    const auto key = core::StreamKey::reproducible(1);
    core::SecureStream stream(key, 0, 0);
    // One unit, hardly ever drawn.
    auto draw = data::PoissonSampler(1, privacy::SamplingRate::literal(1e-12)).draw(stream);
    auto sum = clipper.finish(std::move(draw));
    TORCH_CHECK(sum, "the step was not whole");
    return std::move(*sum);
}

/// The update's accesses, without its arithmetic: reads `sum`, reads and writes the four others.
void stream(const float* sum, std::array<float*, 4> arrays, std::int64_t count)
{
    float *const a = arrays[0], *const b = arrays[1], *const c = arrays[2], *const d = arrays[3];
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count; ++i) {
        a[i] += sum[i];
        b[i] += sum[i];
        c[i] += sum[i];
        d[i] += sum[i];
    }
}

/// Over all tensors; [first, last) of a thread are tensors.
double stream_seconds(const dpsgd::Optimiser& optimiser, const dpsgd::NamedTensors& sums)
{
    const dpsgd::NamedTensors state = optimiser.export_state(); // step, then four a tensor
    const auto pass = [&](std::int64_t first, std::int64_t last) {
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
            const auto at = [&](std::size_t k) {
                return state[1 + 4 * i + k].second.data_ptr<float>();
            };
            stream(sums[i].second.data_ptr<float>(), {at(0), at(1), at(2), at(3)},
                   sums[i].second.numel());
        }
    };
    return secondsOf([&] { dpsgd::on_all_threads(static_cast<std::int64_t>(sums.size()), pass); });
}

struct Best {
    double update = std::numeric_limits<double>::infinity();
    double stream = std::numeric_limits<double>::infinity();
};

Result<Best> measure(const dpsgd::TrainedTensors& trained)
{
    const TemporaryFolder folder;
    VELAMEN_ASSIGN(privacy::ReservedSteps steps, benchSteps(folder, kRepeats));
    const auto key = core::StreamKey::fresh();
    dpsgd::Optimiser optimiser(trained, {.total_steps = 100});
    dpsgd::Clipper clipper(trained, privacy::ClippingNorm::literal(0.01),
                           privacy::ExpectedBatch::literal(256.0));
    dpsgd::NamedTensors read; // in the place of the sums, which only the optimiser may read
    for (const auto& entry : trained)
        read.emplace_back(entry.name, torch::full_like(entry.tensor, 1e-9));
    Best best;
    for (int i = 0; i < kRepeats; ++i) {
        best.stream = std::min(best.stream, stream_seconds(optimiser, read));
        auto released = dpsgd::NoisyGradient::release(empty_sum(clipper), steps.take(), key);
        std::optional<Error> error;
        best.update = std::min(best.update, secondsOf([&] {
                                   const auto report = optimiser.step(std::move(released));
                                   if (!report) error = report.error();
                               }));
        if (error) return fail(*error);
    }
    return best;
}

} // namespace

Result<io::Json> benchOptimiser(std::int64_t parameters)
{
    try {
        const dpsgd::TrainedTensors trained = tensors_of(parameters);
        VELAMEN_ASSIGN(const Best best, measure(trained));
        const double bytes = (kReads + kWrites) * sizeof(float) * static_cast<double>(parameters);
        io::Json out = io::Json::object();
        out["parameters"] = parameters;
        out["bytes"] = bytes;
        out["update"] = io::Json::object();
        out["update"]["seconds"] = best.update;
        out["stream"] = io::Json::object();
        out["stream"]["seconds"] = best.stream;
        out["stream"]["bytes_per_second"] = bytes / best.stream;
        out["ratio"] = best.update / best.stream;
        return out;
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "no memory for so many parameters",
                    "choose fewer with --parameters");
    } catch (const std::exception& error) {
        return fail(ErrorCode::Internal, std::string("the benchmark failed: ") + error.what());
    }
}

} // namespace velamen::app
