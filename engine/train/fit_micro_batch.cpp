// SPDX-License-Identifier: GPL-3.0-or-later
//
// The micro-batch of a plan with a memory limit, by dry runs on public random latents beside all
// that a run holds besides them.

#include <exception>
#include <string>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/optimiser.h"
#include "engine/dpsgd/out_of_memory.h"
#include "engine/train/micro_batch_search.h"
#include "engine/train/peak_memory.h"
#include "engine/train/plan.h"
#include "engine/train/private/preview.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

namespace {

/// The latents of all units, which a run keeps in memory.
double cached_gibibytes(PrivateModel& model, const TrainingPlan& plan)
{
    const Rows row = random_rows(model.checkpoint(), 1, 0);
    return static_cast<double>(row.latents.nbytes())
        * static_cast<double>(plan.privacy.public_units) / kBytesPerGibibyte;
}

/// One pass of rows that count for nothing.
Result<> dry_pass(PrivateModel& model, dpsgd::Clipper& clipper, std::int64_t units,
                  std::int64_t rows_per_unit)
try {
    const Rows rows = random_rows(model.checkpoint(), units * rows_per_unit, 0);
    const auto losses = model.forward_backward(rows, rows_per_unit);
    return clipper.add(model.tape(), {.units = units, .padded = units}, losses);
} catch (const std::exception& error) {
    if (dpsgd::is_out_of_memory(error))
        return fail(ErrorCode::OutOfMemory, "no memory for a micro-batch");
    return fail(ErrorCode::Internal, std::string("the dry run failed: ") + error.what());
}

} // namespace

Result<TrainingPlan> fit_micro_batch(const TrainingPlan& plan)
try {
    TrainingPlan fitted = plan;
    if (plan.memory_limit <= 0.0) return fitted;
    VELAMEN_ASSIGN(const auto model, PrivateModel::create(plan));
    VELAMEN_ASSIGN(const auto preview, Preview::create(plan, *model));
    VELAMEN_ASSIGN(dpsgd::Clipper clipper, make_clipper(plan, model->trained()));
    const dpsgd::Optimiser optimiser(model->trained(), {});
    const double cached = cached_gibibytes(*model, plan);
    const MemoryProbe probe = [&](std::int64_t units) -> Result<double> {
        restart_peak();
        const auto done = dry_pass(*model, clipper, units, rows_per_unit(plan));
        clipper.reset();
        model->tape().clear();
        if (!done) return fail(done.error());
        return peak_gibibytes() + cached;
    };
    VELAMEN_ASSIGN(fitted.micro_batch,
                   largest_micro_batch(plan.micro_batch, plan.memory_limit, probe));
    return fitted;
} catch (const std::exception& error) {
    return fail(ErrorCode::Internal, std::string("the dry run failed: ") + error.what());
}

} // namespace velamen::train
