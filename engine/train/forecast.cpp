// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a plan will cost, from public numbers and, for time and memory, from two micro-batches of
// public random latents.

#include <algorithm>
#include <chrono>

#include <sys/resource.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/random.h"
#include "engine/dpsgd/clipper.h"
#include "engine/privacy/composition.h"
#include "engine/train/plan.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

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
    VELAMEN_ASSIGN(const auto found,
                   checkpoint::inspect(plan.checkpoint, plan.selection, plan.skip_dead,
                                       plan.train_conditioner));
    f.trained_parameters = found.trained_parameters;
    f.total_parameters = found.total_parameters;
    return f;
}

Result<Forecast> measure(const TrainingPlan& plan)
try {
    VELAMEN_ASSIGN(Forecast f, forecast(plan));
    VELAMEN_ASSIGN(const auto model, PrivateModel::create(plan));
    VELAMEN_ASSIGN(dpsgd::Clipper clipper, make_clipper(plan, model->trained()));
    const std::int64_t multiplicity = plan.optimiser.noise_multiplicity;
    double best = 0.0;
    for (int repeat = 0; repeat < 2; ++repeat) {
        const Rows rows = random_rows(model->checkpoint(), plan.micro_batch * multiplicity,
                                      static_cast<std::uint64_t>(repeat));
        const auto start = std::chrono::steady_clock::now();
        const auto losses = model->forward_backward(rows, multiplicity);
        VELAMEN_TRY(clipper.add(model->tape(), {.units = plan.micro_batch, .padded = 0}, losses));
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        best = repeat == 0 ? seconds : std::min(best, seconds);
    }
    f.seconds = best * static_cast<double>(plan.privacy.expected_batch)
        / static_cast<double>(plan.micro_batch) * static_cast<double>(plan.privacy.steps);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    f.gigabytes = static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
    return f;
} catch (const std::exception& error) {
    return fail(ErrorCode::Internal, std::string("the dry run failed: ") + error.what());
}

} // namespace velamen::train
