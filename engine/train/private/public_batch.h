// SPDX-License-Identifier: GPL-3.0-or-later
//
// Public images that a private run learns from beside the private ones: an ordinary gradient of a
// random batch, added to the noised one. Costs no privacy; it never sees a private image.

#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/train/plan.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

/// One thread.
class PublicBatch {
public:
    /// Reads and encodes the images of plan.public_source once. A folder's class is the plan's of
    /// that name, else none (the null class). Refused when a batch has more images than there are.
    static Result<PublicBatch> load(const TrainingPlan& plan, PrivateModel& model,
                                    std::stop_token stop, const Counter& encoding);

    /// Gradient of the mean loss over a batch that depends on the plan's seed and the step alone:
    /// fp32, one per trained tensor. In passes of at most so many rows.
    Result<std::vector<at::Tensor>> gradient(PrivateModel& model, std::int64_t step,
                                             std::int64_t rows_per_pass) const;

private:
    PublicBatch() = default;
    Rows draw(PrivateModel& model, std::int64_t step) const;

    at::Tensor latents_; // fp32 [N, C, H, W], scaled
    at::Tensor classes_; // int64 [N]
    std::int64_t size_ = 0;
    double class_dropout_ = 0.0;
    std::int64_t seed_ = 0;
};

} // namespace velamen::train
