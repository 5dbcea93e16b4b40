// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/evaluate/engine_audit.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/core/random.h"
#include "engine/data/poisson.h"
#include "engine/dpsgd/clipper.h"
#include "engine/dpsgd/optimiser.h"
#include "engine/dpsgd/private_step.h"
#include "engine/privacy/accountant.h"
#include "engine/privacy/ledger.h"

namespace velamen::evaluate {
namespace {

namespace fs = std::filesystem;

constexpr double kCanaryNorm = 10.0; // times the clipping norm

/// A ledger that is gone afterwards: canaries are nobody's images.
class TemporaryLedger {
public:
    TemporaryLedger() : folder_(fs::temp_directory_path() / ("velamen-audit-" + core::random_id()))
    {
    }
    ~TemporaryLedger()
    {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    TemporaryLedger(const TemporaryLedger&) = delete;
    TemporaryLedger& operator=(const TemporaryLedger&) = delete;

    Result<privacy::SpentStep> spend(double noise)
    {
        VELAMEN_ASSIGN(auto store, privacy::LedgerStore::open(folder_));
        const core::Digest canary{};
        VELAMEN_ASSIGN(auto ledger, store.join({&canary, 1}));
        privacy::TrainingSteps event;
        event.rate = 1.0;
        event.noise_gradient = event.noise_effective = noise;
        event.steps = 1;
        VELAMEN_ASSIGN(auto steps,
                       ledger.reserve("audit", 1, "canary", privacy::Neighbours::ZeroOut, event));
        return steps.take();
    }

private:
    fs::path folder_;
};

Result<> check(const EngineAudit& audit)
{
    if (audit.images < 1 || audit.images > 64 || audit.draws < 1 || audit.draws > 64)
        return fail(ErrorCode::InvalidArgument,
                    "a canary of the audit has too few or too many images or noise draws",
                    "take 1 to 64 of each");
    const bool is_valid = audit.canaries >= 2 && audit.canaries <= 100'000'000 && audit.guesses >= 2
        && audit.guesses <= audit.canaries && audit.guesses % 2 == 0 && audit.significance > 0.0
        && audit.significance < 1.0;
    if (is_valid) return {};
    return fail(ErrorCode::InvalidArgument,
                "the audit's numbers of canaries and guesses do not fit each other",
                "take an even number of guesses, at most as many as canaries (2 to 100 million), "
                "and a significance between 0 and 1");
}

} // namespace

Result<std::vector<float>> engine_step(const EngineAudit& audit,
                                       std::span<const std::int64_t> included)
try {
    VELAMEN_ASSIGN(const auto clip, privacy::ClippingNorm::create(audit.clip));
    VELAMEN_ASSIGN(const auto batch,
                   privacy::ExpectedBatch::create(static_cast<double>(audit.canaries)));
    const dpsgd::TrainedTensors trained{
        {"canaries", torch::zeros({audit.canaries, 1}).requires_grad_(true)}};
    dpsgd::GradTape tape(trained);
    dpsgd::Clipper clipper(trained, clip, batch);

    const auto key = core::StreamKey::fresh();
    const auto sampling = key.derive(core::StreamPurpose::Sampling);
    core::SecureStream draws(sampling, 0, 0);
    const auto units = static_cast<std::int64_t>(included.size());
    data::PoissonDraw draw =
        data::PoissonSampler(units, privacy::SamplingRate::literal(1.0)).draw(draws);
    if (units > 0) {
        const std::int64_t rows = audit.images * audit.draws;
        std::vector<std::int64_t> axes;
        axes.reserve(included.size());
        for (const std::int64_t unit : draw.units())
            axes.push_back(included[static_cast<std::size_t>(unit)]);
        const at::Tensor ids = // the rows of a unit side by side
            torch::tensor(axes, torch::kLong).repeat_interleave(rows).view({units * rows, 1});
        // A unit's rows differ in length; their mean is what counts.
        const at::Tensor lengths = torch::arange(1, rows + 1, torch::kFloat)
            * (2.0 * kCanaryNorm * audit.clip / static_cast<double>(rows + 1));
        const at::Tensor losses = dpsgd::unit_losses(
            tape.embedding(ids, trained[0].tensor).flatten() * lengths.repeat({units}), rows);
        losses.sum().backward();
        VELAMEN_TRY(clipper.add(tape, {.units = units, .padded = 0}, losses));
    }
    VELAMEN_ASSIGN(auto sum, clipper.finish(std::move(draw)));
    TemporaryLedger ledger;
    VELAMEN_ASSIGN(auto spent, ledger.spend(audit.noise));
    // With beta1 = 0 the first moment is the gradient that was released.
    dpsgd::Optimiser optimiser(trained, {.beta1 = 0.0});
    VELAMEN_TRY(optimiser.step(dpsgd::NoisyGradient::release(
        std::move(sum), std::move(spent), key.derive(core::StreamPurpose::Noise))));
    for (const auto& [name, tensor] : optimiser.export_state())
        if (name == "exp_avg.canaries") {
            const at::Tensor flat = tensor.contiguous();
            return std::vector<float>(flat.data_ptr<float>(),
                                      flat.data_ptr<float>() + flat.numel());
        }
    return fail(ErrorCode::Internal, "the optimiser keeps no gradient of the canaries");
} catch (const std::exception& error) {
    return fail(ErrorCode::OutOfMemory, std::string("the audit failed: ") + error.what(),
                "take fewer canaries");
}

Result<double> noise_correlation(const EngineAudit& audit, const StepUnderAudit& step)
{
    VELAMEN_TRY(check(audit));
    VELAMEN_ASSIGN(const auto first, step(audit, {}));
    VELAMEN_ASSIGN(const auto second, step(audit, {}));
    double both = 0.0, one = 0.0, other = 0.0;
    for (std::size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
        const double a = first[i], b = second[i];
        both += a * b;
        one += a * a;
        other += b * b;
    }
    if (!(one > 0.0) || !(other > 0.0))
        return fail(ErrorCode::Refused, "a step released no noise at all");
    return both / std::sqrt(one * other);
}

Result<EngineVerdict> audit_engine(const EngineAudit& audit, const StepUnderAudit& step)
{
    VELAMEN_TRY(check(audit));
    VELAMEN_ASSIGN(const auto delta, privacy::Delta::create(audit.delta));
    VELAMEN_ASSIGN(const auto noise, privacy::NoiseMultiplier::create(audit.noise));

    const auto count = static_cast<std::size_t>(audit.canaries);
    const auto key = core::StreamKey::fresh();
    core::SecureStream coins(key, 0, 0);
    std::vector<bool> is_in(count);
    std::vector<std::int64_t> included;
    included.reserve(count / 2 + count / 16);
    for (std::size_t i = 0; i < count; ++i) {
        is_in[i] = coins.below(2) == 1;
        if (is_in[i]) included.push_back(static_cast<std::int64_t>(i));
    }
    VELAMEN_ASSIGN(const auto gradient, step(audit, included));
    if (gradient.size() != count)
        return fail(ErrorCode::Internal, "the step under audit released another number of values");

    // Highest scores first; a value that is no number is no evidence.
    std::vector<std::int64_t> order(count);
    std::iota(order.begin(), order.end(), std::int64_t{0});
    const auto score = [&](std::int64_t i) {
        const float value = gradient[static_cast<std::size_t>(i)];
        return std::isnan(value) ? 0.0F : value;
    };
    const auto half = static_cast<std::ptrdiff_t>(audit.guesses / 2);
    const auto higher = [&](std::int64_t a, std::int64_t b) { return score(a) > score(b); };
    std::nth_element(order.begin(), order.begin() + half, order.end(), higher);
    std::nth_element(order.begin() + half, order.end() - half, order.end(), higher);

    EngineVerdict verdict;
    verdict.guesses = {.canaries = audit.canaries, .guessed = 2 * half, .correct = 0};
    for (std::ptrdiff_t i = 0; i < half; ++i) {
        const auto high = static_cast<std::size_t>(order[static_cast<std::size_t>(i)]);
        const auto low = static_cast<std::size_t>(order[count - 1 - static_cast<std::size_t>(i)]);
        verdict.guesses.correct += (is_in[high] ? 1 : 0) + (is_in[low] ? 0 : 1);
    }
    verdict.claimed = privacy::gaussian_epsilon(delta, noise).value();
    verdict.refuted = refuted_epsilon(verdict.guesses, delta, audit.significance);
    return verdict;
}

} // namespace velamen::evaluate
