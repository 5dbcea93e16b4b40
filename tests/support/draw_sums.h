// SPDX-License-Identifier: GPL-3.0-or-later
//
// What sums draws in a test: a model and a clipper of some checkpoint and units of random latents,
// no folder of images.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/core/result.h"
#include "engine/train/private/draw_sum.h"

namespace velamen::test {

class DrawSums {
public:
    /// `units`: how many there are; the plan's other numbers stay.
    static Result<std::unique_ptr<DrawSums>> create(const train::TrainingPlan& plan,
                                                    std::int64_t units);

    train::DrawSum with_micro_batch(std::int64_t micro_batch);
    /// The first `count` units, in that order.
    static data::PoissonDraw draw_of(std::int64_t count);
    train::PrivateModel& model() { return *model_; }

private:
    DrawSums() = default;
    train::TrainingPlan plan_;
    std::unique_ptr<train::PrivateModel> model_;
    std::optional<dpsgd::Clipper> clipper_;
    train::Dataset dataset_;
    std::optional<core::StreamKey> key_;
};

} // namespace velamen::test
