// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a plan will cost, from public numbers and, for time and memory, from two micro-batches of
// public random latents.

#include <algorithm>
#include <chrono>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/random.h"
#include "engine/dpsgd/clipper.h"
#include "engine/privacy/composition.h"
#include "engine/train/peak_memory.h"
#include "engine/train/plan.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

namespace {

/// What the releases before the first step cost alone, and what the steps would have without them.
Result<> add_warm_start(Forecast& f, const PrivacyPlan& p, privacy::Delta delta)
{
    using namespace privacy;
    f.noise_without_warm_start = p.noise_effective;
    VELAMEN_ASSIGN(const auto charges, warm_start_charges(p));
    if (charges.empty()) return {};
    std::vector<Spending> alone;
    for (const NoisyRelease& release : charges)
        alone.push_back({release.event, Steps::literal(1)});
    VELAMEN_ASSIGN(const Bound bound, bound_of(alone, delta));
    f.epsilon_warm_start = bound.epsilon.value();
    VELAMEN_ASSIGN(const Epsilon target, Epsilon::create(p.epsilon));
    VELAMEN_ASSIGN(const SamplingRate rate, SamplingRate::create(p.rate));
    VELAMEN_ASSIGN(const Steps steps, Steps::create(p.steps));
    VELAMEN_ASSIGN(const NoiseMultiplier noise,
                   calibrate_beside({}, target, delta, rate, steps, p.hardened));
    f.noise_without_warm_start = noise.value();
    return {};
}

} // namespace

Result<Forecast> forecast(const TrainingPlan& plan)
{
    using namespace privacy;
    const PrivacyPlan& p = plan.privacy;
    VELAMEN_ASSIGN(const Delta delta, Delta::create(p.delta));
    VELAMEN_ASSIGN(const auto spending, spending_of(p));
    Forecast f;
    VELAMEN_ASSIGN(const Bound bound, bound_of(spending, delta));
    f.epsilon = bound.epsilon.value();
    f.epsilon_rdp = bound.rdp.epsilon.value();
    // Without amplification by sampling: every unit takes part once in each of the q T epochs, in
    // batches that the attacker knows (Chua et al., arXiv 2403.17673, call this the shuffled case's
    // lower end).
    VELAMEN_ASSIGN(const Bound open, bound_of(without_sampling(spending), delta));
    f.epsilon_no_sampling = std::max(open.epsilon.value(), f.epsilon);
    VELAMEN_ASSIGN(f.attacker_rate, attacker_rate(spending, 0.01));
    VELAMEN_TRY(add_warm_start(f, p, delta));
    VELAMEN_ASSIGN(const auto found,
                   checkpoint::count_selection(plan.checkpoint, plan.selection, plan.skip_dead,
                                               plan.train_conditioner,
                                               static_cast<std::int64_t>(plan.classes.size())));
    f.trained_parameters = found.trained_parameters;
    f.total_parameters = found.total_parameters;
    return f;
}

Result<Forecast> measure(const TrainingPlan& plan)
try {
    VELAMEN_ASSIGN(Forecast f, forecast(plan));
    VELAMEN_ASSIGN(const auto model, PrivateModel::create(plan));
    VELAMEN_ASSIGN(dpsgd::Clipper clipper, make_clipper(plan, model->trained()));
    const std::int64_t rows_of_unit = rows_per_unit(plan);
    double best = 0.0;
    for (int repeat = 0; repeat < 2; ++repeat) {
        const Rows rows = random_rows(model->checkpoint(), plan.micro_batch * rows_of_unit,
                                      static_cast<std::uint64_t>(repeat));
        const auto start = std::chrono::steady_clock::now();
        const auto losses = model->forward_backward(rows, rows_of_unit);
        VELAMEN_TRY(clipper.add(model->tape(), {.units = plan.micro_batch, .padded = 0}, losses));
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        best = repeat == 0 ? seconds : std::min(best, seconds);
    }
    // The last pass of a step is half empty on average, and takes as long.
    const double passes =
        static_cast<double>(plan.privacy.expected_batch) / static_cast<double>(plan.micro_batch)
        + 0.5;
    f.seconds = best * passes * static_cast<double>(plan.privacy.steps);
    f.gigabytes = peak_gibibytes();
    return f;
} catch (const std::exception& error) {
    return fail(ErrorCode::Internal, std::string("the dry run failed: ") + error.what());
}

} // namespace velamen::train
