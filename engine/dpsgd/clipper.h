// SPDX-License-Identifier: GPL-3.0-or-later
//
// Bounds what each privacy unit contributes to a step: per-unit norms from the tape, one factor a
// unit (or a block of a unit), one weighted sum. Noise is not its business; what leaves it is a
// ClippedSum.
//
// The loss whose backward pass fills the tape is the sum over units of the mean over a unit's rows
// of the row's loss (mean over elements): see unit_losses(). With it the clipped sum does not
// depend on how a draw is split into micro-batches, nor on whether a unit came in one pass or in
// several.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/data/poisson.h"
#include "engine/dpsgd/clipping.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/private_step.h"
#include "engine/dpsgd/trained_tensor.h"
#include "engine/dpsgd/unit_norms.h"
#include "engine/privacy/units.h"

namespace velamen::dpsgd {

/// row_losses: [units * rows_per_unit]  ->  [units]: the mean over each unit's rows. Its sum is
/// what backward() is called on.
at::Tensor unit_losses(const at::Tensor& row_losses, std::int64_t rows_per_unit);

/// row_losses: [rows of one pass], of a unit with `unit_rows` rows in all its passes  ->  []: what
/// backward() is called on; summed over the passes it is the unit's loss.
at::Tensor part_loss(const at::Tensor& row_losses, std::int64_t unit_rows);

struct ClipOptions {
    ClippingStyle style = ClippingStyle::Flat; ///< Automatic needs C = 1
    NormPath norms = NormPath::Cheaper;        ///< forced in tests only
};

/// How the rows of one forward pass make up units.
struct MicroBatch {
    std::int64_t units = 0;  ///< including padding
    std::int64_t padded = 0; ///< the last so many contribute nothing, to gradient and loss
};

/// One pass of a unit whose rows do not fit into one.
struct UnitPart {
    std::int64_t rows = 0;      ///< of this pass
    std::int64_t unit_rows = 0; ///< of all passes of this unit
};

/// Exact figures of the units drawn so far in this step. PRIVATE: for memory only, never written,
/// shown only under a badge that says so.
struct PrivateView {
    std::int64_t units = 0;
    std::int64_t non_finite = 0;
    double clipped_fraction = 0.0; ///< 0 under automatic clipping
    double mean_norm = 0.0;
    double mean_loss = 0.0;
};

/// One step at a time: add() per micro-batch, or add_part() per pass of a large unit, in any order,
/// then finish(). After an error the step is lost: finish() will refuse, reset() begins anew. One
/// thread.
class Clipper {
public:
    Clipper(TrainedTensors trained, privacy::ClippingNorm clip, privacy::ExpectedBatch batch,
            const ClipOptions& options = {});
    /// For hardened noise: contributions are formed one by one and summed on an integer grid, for
    /// the scalars that `noise` names as well. Slower: one gradient per unit is made. Errors as
    /// HardenedLayout::create().
    static Result<Clipper> hardened(TrainedTensors trained, privacy::ClippingNorm clip,
                                    privacy::ExpectedBatch batch, const privacy::StepNoise& noise,
                                    const ClipOptions& options = {});
    /// The grid that the noise of a hardened step has to be drawn for. Requires hardened().
    const privacy::Grid& grid() const;

    /// Adds the micro-batch whose backward pass has just filled `tape`, and empties the tape.
    /// losses: [batch.units], the exact loss per unit. A unit with a non-finite value contributes
    /// nothing. Refused when a trained tensor received an ordinary gradient (it was used outside
    /// the tape) or rows do not divide into units.
    Result<> add(GradTape& tape, const MicroBatch& batch, const at::Tensor& losses);

    /// Adds the pass over some rows of one unit that has just filled `tape`, and empties the tape.
    /// loss: [], by part_loss(). The unit's gradient is summed in fp32, which takes the memory of
    /// one gradient, and clipped once when the last of its rows is there. Errors as add().
    Result<> add_part(GradTape& tape, const UnitPart& part, const at::Tensor& loss);

    /// Ends the step of this draw; the next add() begins another one. Internal when the units added
    /// are not as many as were drawn, or one of them lacks rows. A draw of no unit is a step like
    /// any other.
    Result<ClippedSum> finish(data::PoissonDraw&& draw);

    /// Forgets what was added since the last finish().
    void reset();

    PrivateView private_view() const;

private:
    /// The unit whose parts are being added.
    struct OpenUnit {
        std::vector<at::Tensor> gradient; ///< fp32, one per trained tensor
        at::Tensor loss;                  ///< [] double
        std::int64_t rows = 0;            ///< so far
        std::int64_t unit_rows = 0;
    };
    /// sum += weight * gradient of this trained tensor and unit. sum: [elements] fp32 on the CPU.
    using AddGradient = std::function<void(const at::Tensor& sum, std::size_t tensor,
                                           std::int64_t unit, float weight)>;

    Result<> check_pass(const GradTape& tape, std::int64_t units) const;
    /// Runs `adding`; the step is lost unless it succeeds.
    Result<> guarded(GradTape& tape, const std::function<Result<>()>& adding);
    Result<> accumulate(GradTape& tape, const MicroBatch& batch, const at::Tensor& losses);
    Result<> accumulate_part(const GradTape& tape, const UnitPart& part, const at::Tensor& loss);
    Result<> close_unit();
    Result<> add_on_grid(const UnitFigures& figures, const UnitWeights& weights,
                         const AddGradient& add_gradient);
    void note(const UnitFigures& figures, const UnitWeights& weights, std::int64_t padded);
    const at::Tensor& sum_of(std::size_t tensor);

    TrainedTensors trained_;
    privacy::ClippingNorm clip_;
    privacy::ExpectedBatch batch_;
    ClipOptions options_;
    std::vector<std::int64_t> blocks_; // of each trained tensor
    std::int64_t block_count_ = 1;
    std::vector<at::Tensor> sums_;
    std::optional<OpenUnit> open_;
    double loss_sum_ = 0.0;
    double clipped_sum_ = 0.0;
    std::optional<HardenedLayout> layout_;    // hardened only
    std::optional<HardenedSum> hardened_sum_; // from the first contribution of a step on
    bool is_broken_ = false;
    PrivateView view_; // sums, not means
};

} // namespace velamen::dpsgd
