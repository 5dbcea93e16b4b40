// SPDX-License-Identifier: GPL-3.0-or-later
//
// From the units of one draw to their clipped sum, micro-batch by micro-batch. Makes no draw,
// writes no ledger line and adds no noise.
//
// Every pass has the same number of units, the last one filled up with rows of zeros, and a draw of
// no unit is one pass of nothing else: neither the memory nor the time of a pass depends on the
// draw.

#pragma once

#include <cstdint>
#include <functional>
#include <span>

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
          augmentation_(augmentation), micro_batch_(plan.micro_batch),
          pass_rows_(micro_batch_ * rows_per_unit(plan))
    {
    }

    /// Called before each micro-batch: an error ends the sum. May block.
    using Gate = std::function<Result<>()>;

    /// `step`: position in the augmentation streams. Where memory ends, the whole draw is done
    /// again with half the micro-batch, from the same streams; OutOfMemory when one unit alone does
    /// not fit. After an error nothing of the draw is left.
    Result<dpsgd::ClippedSum> sum(data::PoissonDraw&& draw, std::uint64_t step, const Gate& gate);

    /// Units of one pass: the plan's, or fewer once memory has run out.
    std::int64_t micro_batch() const noexcept { return micro_batch_; }
    /// Rows of one pass; where that is not whole units, a unit comes in several.
    std::int64_t pass_rows() const noexcept { return pass_rows_; }

private:
    Result<> add(std::span<const std::int64_t> units, std::uint64_t step, const Gate& gate);
    Result<> pass(std::span<const std::int64_t> units, std::uint64_t step);
    Result<> pass_in_parts(const Rows& rows, bool is_padding);
    bool shrink();

    const TrainingPlan& plan_;
    PrivateModel& model_;
    dpsgd::Clipper& clipper_;
    const Dataset& dataset_;
    const core::StreamKey& augmentation_;
    std::int64_t micro_batch_;
    std::int64_t pass_rows_;
};

} // namespace velamen::train
