// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/draw_sum.h"

#include <algorithm>

#include <ATen/core/Tensor.h>

#include "engine/diffusion/schedule.h"
#include "engine/train/private/unit_rows.h"

namespace velamen::train {

Result<dpsgd::ClippedSum> DrawSum::sum(data::PoissonDraw&& draw, std::uint64_t step,
                                       const Gate& gate)
{
    if (const auto added = add(draw.units(), step, gate); !added) {
        clipper_.reset();
        model_.tape().clear();
        return fail(added.error());
    }
    return clipper_.finish(std::move(draw));
}

Result<> DrawSum::add(std::span<const std::int64_t> units, std::uint64_t step, const Gate& gate)
{
    const std::int64_t timesteps = model_.checkpoint().schedule().num_train_timesteps();
    while (!units.empty()) {
        VELAMEN_TRY(gate());
        const auto part = units.first(
            std::min<std::size_t>(units.size(), static_cast<std::size_t>(plan_.micro_batch)));
        units = units.subspan(part.size());
        const Rows rows = unit_rows(dataset_, part, plan_.optimiser, timesteps, model_.null_class(),
                                    augmentation_, step);
        const at::Tensor losses = model_.forward_backward(rows, plan_.optimiser.noise_multiplicity);
        VELAMEN_TRY(clipper_.add(
            model_.tape(), {.units = static_cast<std::int64_t>(part.size()), .padded = 0}, losses));
    }
    return {};
}

} // namespace velamen::train
