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
        if (!shrink())
            return fail(ErrorCode::OutOfMemory, "one image alone needs more memory than there is",
                        "plan fewer trained tensors, or use a smaller checkpoint");
    }
}

/// False where a pass has one row already.
bool DrawSum::shrink()
{
    if (pass_rows_ == 1) return false;
    if (micro_batch_ > 1) {
        micro_batch_ = (micro_batch_ + 1) / 2;
        pass_rows_ = micro_batch_ * rows_per_unit(plan_);
    } else {
        pass_rows_ = (pass_rows_ + 1) / 2;
    }
    return true;
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
    if (pass_rows_ < rows_of_unit) return pass_in_parts(rows, units.empty());
    const at::Tensor losses = model_.forward_backward(rows, rows_of_unit);
    const auto padded = micro_batch_ - static_cast<std::int64_t>(units.size());
    return clipper_.add(model_.tape(), {.units = micro_batch_, .padded = padded}, losses);
} catch (const std::exception& error) {
    if (!dpsgd::is_out_of_memory(error)) throw;
    return fail(ErrorCode::OutOfMemory, "no memory for a micro-batch");
}

/// The rows of one unit, or as many of padding, which take the same memory.
Result<> DrawSum::pass_in_parts(const Rows& rows, bool is_padding)
{
    const std::int64_t all = rows.latents.size(0);
    for (std::int64_t first = 0; first < all; first += pass_rows_) {
        const std::int64_t count = std::min(pass_rows_, all - first);
        const Rows part = rows.part(first, count);
        if (is_padding) {
            const at::Tensor losses = model_.forward_backward(part, count);
            VELAMEN_TRY(clipper_.add(model_.tape(), {.units = 1, .padded = 1}, losses));
        } else {
            const at::Tensor loss = model_.forward_backward_part(part, all);
            VELAMEN_TRY(clipper_.add_part(model_.tape(), {.rows = count, .unit_rows = all}, loss));
        }
    }
    return {};
}

} // namespace velamen::train
