// SPDX-License-Identifier: GPL-3.0-or-later
//
// From the units of one draw to their clipped sum, micro-batch by micro-batch. Makes no draw,
// writes no ledger line and adds no noise.

#pragma once

#include <cstdint>
#include <functional>

#include "engine/core/random.h"
#include "engine/core/result.h"
#include "engine/data/poisson.h"
#include "engine/dpsgd/clipper.h"
#include "engine/train/plan.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

/// One thread. Borrows everything that it is made from.
class DrawSum {
public:
    DrawSum(const TrainingPlan& plan, PrivateModel& model, dpsgd::Clipper& clipper,
            const Dataset& dataset, const core::StreamKey& augmentation)
        : plan_(plan), model_(model), clipper_(clipper), dataset_(dataset),
          augmentation_(augmentation)
    {
    }

    /// Called before each micro-batch: an error ends the sum. May block.
    using Gate = std::function<Result<>()>;

    /// `step`: position in the augmentation streams. After an error nothing of the draw is left.
    Result<dpsgd::ClippedSum> sum(data::PoissonDraw&& draw, std::uint64_t step, const Gate& gate);

private:
    Result<> add(std::span<const std::int64_t> units, std::uint64_t step, const Gate& gate);

    const TrainingPlan& plan_;
    PrivateModel& model_;
    dpsgd::Clipper& clipper_;
    const Dataset& dataset_;
    const core::StreamKey& augmentation_;
};

} // namespace velamen::train
