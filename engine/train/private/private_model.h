// SPDX-License-Identifier: GPL-3.0-or-later
//
// A checkpoint made ready for private training: classes of the plan, selected tensors trainable and
// tapped, everything else frozen. Knows rows, not units, noise or budgets.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/result.h"
#include "engine/dpsgd/clipper.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/validate.h"
#include "engine/train/plan.h"

namespace velamen::train {

/// Rows of one forward pass; rows of a unit are adjacent.
struct Rows {
    at::Tensor latents; // fp32 [R, C, H, W], scaled
    at::Tensor noise;   // fp32 [R, C, H, W], standard normal
    at::Tensor times;   // int64 [R], 0 ... T-1
    at::Tensor classes; // int64 [R], the null class where dropped

    /// Rows first ... first + count - 1, sharing memory.
    Rows part(std::int64_t first, std::int64_t count) const;
};

/// One thread. Not movable: layers hold the tape's address.
class PrivateModel {
public:
    /// Loads the plan's checkpoint and proves, with a dry backward pass on public random input,
    /// that every selected tensor reports to the tape. With the precision "bf16" frozen weights and
    /// activations of the UNet are bfloat16 after that; trained tensors, norms, losses and sums
    /// stay fp32. Rounds the frozen weights for good: what is saved comes from another copy.
    static Result<std::unique_ptr<PrivateModel>> create(const TrainingPlan& plan);
    ~PrivateModel();
    PrivateModel(const PrivateModel&) = delete;
    PrivateModel& operator=(const PrivateModel&) = delete;

    checkpoint::Checkpoint& checkpoint() noexcept { return *checkpoint_; }
    const dpsgd::TrainedTensors& trained() const noexcept { return trained_; }
    /// The tensors of the checkpoint that the run changes; low-rank factors stand for theirs.
    const std::vector<std::string>& trained_names() const noexcept { return names_; }
    /// Those that are trained although their gradient is zero by construction.
    const std::vector<std::string>& dead_names() const noexcept { return dead_; }
    dpsgd::GradTape& tape() noexcept { return *tape_; }
    std::int64_t null_class() const;

    /// Forward and one backward pass of the sum over units of the mean squared error, averaged over
    /// a unit's rows; fills the tape. Gives the loss per unit, [R / rows_per_unit].
    at::Tensor forward_backward(const Rows& rows, std::int64_t rows_per_unit);
    /// The same for some rows of one unit that has `unit_rows` rows in all its passes. Gives this
    /// pass's share of the unit's loss, [].
    at::Tensor forward_backward_part(const Rows& rows, std::int64_t unit_rows);

    /// Mean squared error over public rows, with its graph for an ordinary backward pass; nothing
    /// reports to the tape.
    at::Tensor public_loss(const Rows& rows);

    /// Watches everything that must not move.
    dpsgd::FrozenWatch watch_unet() const;
    dpsgd::FrozenWatch watch_conditioner() const;

private:
    PrivateModel() = default;
    struct Prediction {
        at::Tensor made, wanted; // fp32 [R, C, H, W]
    };
    Prediction predict(const Rows& rows);
    at::Tensor row_losses(const Rows& rows); // [R]
    void set_tap(nn::Tap* tap);

    std::unique_ptr<checkpoint::Checkpoint> checkpoint_;
    dpsgd::TrainedTensors trained_;
    std::vector<std::string> names_, dead_;
    std::unique_ptr<dpsgd::GradTape> tape_;
};

/// Image size, caption and classes of the plan.
Result<> prepare(checkpoint::Checkpoint& checkpoint, const TrainingPlan& plan);

/// Names of the tensors of the checkpoint that the plan changes.
Result<std::vector<std::string>> changed_tensors(checkpoint::Checkpoint& checkpoint,
                                                 const TrainingPlan& plan);

/// The clipper that a plan asks for.
Result<dpsgd::Clipper> make_clipper(const TrainingPlan& plan, dpsgd::TrainedTensors trained);

/// Whether this CPU computes with bfloat16 (AVX512-BF16): without, fp32 is faster.
bool has_bf16_units();

/// Public random rows of the right shape, for dry runs and forecasts.
Rows random_rows(checkpoint::Checkpoint& checkpoint, std::int64_t rows, std::uint64_t seed);

} // namespace velamen::train
