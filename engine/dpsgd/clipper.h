// SPDX-License-Identifier: GPL-3.0-or-later
//
// Bounds what each privacy unit contributes to a step: per-unit norms from the tape, one factor a
// unit, one weighted sum. Noise is not its business; what leaves it is a ClippedSum.
//
// The loss whose backward pass fills the tape is the sum over units of the mean over a unit's rows
// of the row's loss (mean over elements): see unit_losses(). With it the clipped sum does not
// depend on how a draw is split into micro-batches.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/data/poisson.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/private_step.h"
#include "engine/dpsgd/trained_tensor.h"
#include "engine/privacy/units.h"

namespace velamen::dpsgd {

/// row_losses: [units * rows_per_unit]  ->  [units]: the mean over each unit's rows. Its sum is
/// what backward() is called on.
at::Tensor unit_losses(const at::Tensor& row_losses, std::int64_t rows_per_unit);

/// min(1, C / (norm (1 + 1e-3) + 1e-6)): the margin covers what fp32 may under-estimate of a norm.
double clip_factor(double norm, double clip) noexcept;

/// How the rows of one forward pass make up units.
struct MicroBatch {
    std::int64_t units = 0;  ///< including padding
    std::int64_t padded = 0; ///< the last so many contribute nothing, to gradient and loss
};

/// Exact figures of the units drawn so far in this step. PRIVATE: for memory only, never written,
/// shown only under a badge that says so.
struct PrivateView {
    std::int64_t units = 0;
    std::int64_t non_finite = 0;
    double clipped_fraction = 0.0;
    double mean_norm = 0.0;
    double mean_loss = 0.0;
};

/// One use of a trained tensor in a pass, and all uses of each.
struct TapeUse {
    GradRecord* record = nullptr;
    Role role = Role::Weight;
};
using TapeUses = std::vector<std::vector<TapeUse>>;

/// One step at a time: add() per micro-batch, then finish(). One thread.
class Clipper {
public:
    Clipper(TrainedTensors trained, privacy::ClippingNorm clip, privacy::ExpectedBatch batch);
    /// For hardened noise: contributions are formed one by one and summed on an integer grid, for
    /// the scalars that `noise` names as well. Slower: one gradient per unit is made. Errors as
    /// HardenedLayout::create().
    static Result<Clipper> hardened(TrainedTensors trained, privacy::ClippingNorm clip,
                                    privacy::ExpectedBatch batch, const privacy::StepNoise& noise);
    /// The grid that the noise of a hardened step has to be drawn for. Requires hardened().
    const privacy::Grid& grid() const;

    /// Adds the micro-batch whose backward pass has just filled `tape`, and empties the tape.
    /// losses: [batch.units], the exact loss per unit. A unit with a non-finite value contributes
    /// nothing. Refused when a trained tensor received an ordinary gradient (it was used outside
    /// the tape) or rows do not divide into units; the step is lost then.
    Result<> add(GradTape& tape, const MicroBatch& batch, const at::Tensor& losses);

    /// Ends the step of this draw; the next add() begins another one. Internal when the units added
    /// are not as many as were drawn. A draw of no unit is a step like any other.
    Result<ClippedSum> finish(data::PoissonDraw&& draw);

    /// Forgets what was added since the last finish().
    void reset();

    PrivateView private_view() const;

private:
    Result<> accumulate(GradTape& tape, const MicroBatch& batch, const at::Tensor& losses);
    struct UnitFactors {
        at::Tensor weights; // [units] fp32: clip factor, 0 where not counted
        at::Tensor losses;  // [units]
        at::Tensor counted; // [units] bool
    };
    Result<> add_on_grid(const TapeUses& uses, const UnitFactors& units);
    void add_losses(const at::Tensor& losses, const at::Tensor& counted);

    TrainedTensors trained_;
    privacy::ClippingNorm clip_;
    privacy::ExpectedBatch batch_;
    std::vector<at::Tensor> sums_;
    double loss_sum_ = 0.0;
    double clipped_sum_ = 0.0;
    std::optional<HardenedLayout> layout_;    // hardened only
    std::optional<HardenedSum> hardened_sum_; // from the first contribution of a step on
    bool is_broken_ = false;
    PrivateView view_; // sums, not means
};

} // namespace velamen::dpsgd
