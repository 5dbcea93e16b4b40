// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/draw_sum.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "engine/diffusion/schedule.h"
#include "engine/dpsgd/out_of_memory.h"
#include "engine/train/private/unit_rows.h"

namespace velamen::train {

namespace {

/// x: [R, ...]  ->  [rows, ...], zeros behind it.
at::Tensor filled_up(const at::Tensor& x, std::int64_t rows)
{
    std::vector<std::int64_t> sizes = x.sizes().vec();
    sizes.front() = rows;
    const at::Tensor out = at::zeros(sizes, x.options());
    out.narrow(0, 0, x.size(0)).copy_(x);
    return out;
}

} // namespace

Result<dpsgd::ClippedSum> DrawSum::sum(data::PoissonDraw&& draw, std::uint64_t step,
                                       const Gate& gate)
{
    for (;;) {
        const auto added = add(draw.units(), step, gate);
        if (added) return clipper_.finish(std::move(draw));
        clipper_.reset();
        model_.tape().clear();
        if (added.error().code != ErrorCode::OutOfMemory) return fail(added.error());
        if (micro_batch_ == 1)
            return fail(ErrorCode::OutOfMemory, "one unit alone needs more memory than there is",
                        "plan fewer images or noise draws a unit, or fewer trained tensors");
        micro_batch_ = (micro_batch_ + 1) / 2;
    }
}

Result<> DrawSum::add(std::span<const std::int64_t> units, std::uint64_t step, const Gate& gate)
{
    do {
        VELAMEN_TRY(gate());
        const auto part = units.first(
            std::min<std::size_t>(units.size(), static_cast<std::size_t>(micro_batch_)));
        VELAMEN_TRY(pass(part, step));
        units = units.subspan(part.size());
    } while (!units.empty());
    return {};
}

Result<> DrawSum::pass(std::span<const std::int64_t> units, std::uint64_t step)
try {
    const std::int64_t rows_of_unit = rows_per_unit(plan_);
    Rows rows =
        unit_rows(dataset_, units, plan_, model_.checkpoint().schedule().num_train_timesteps(),
                  model_.null_class(), augmentation_, step);
    for (at::Tensor* part : {&rows.latents, &rows.noise, &rows.times, &rows.classes})
        *part = filled_up(*part, micro_batch_ * rows_of_unit);
    const at::Tensor losses = model_.forward_backward(rows, rows_of_unit);
    const auto padded = micro_batch_ - static_cast<std::int64_t>(units.size());
    return clipper_.add(model_.tape(), {.units = micro_batch_, .padded = padded}, losses);
} catch (const std::exception& error) {
    if (!dpsgd::is_out_of_memory(error)) throw;
    return fail(ErrorCode::OutOfMemory, "no memory for a micro-batch");
}

} // namespace velamen::train
