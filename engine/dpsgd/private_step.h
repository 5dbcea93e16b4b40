// SPDX-License-Identifier: GPL-3.0-or-later
//
// The two types between a clipped batch and the optimiser. Neither can be copied, and the second is
// made only by using up the first together with a step that the ledger has already recorded. No
// optimiser and no clipping here.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/random.h"
#include "engine/dpsgd/hardened_sum.h"
#include "engine/dpsgd/trained_tensor.h"
#include "engine/privacy/ledger.h"
#include "engine/privacy/units.h"
#include "kernels/api/gaussian_fill.h"

namespace velamen::dpsgd {

/// Sum over the drawn units of their clipped gradients: not private yet.
/// Only the clipper makes one; it carries the clipping norm it was made with.
class ClippedSum {
public:
    ClippedSum(ClippedSum&&) noexcept = default;
    ClippedSum& operator=(ClippedSum&&) noexcept = default;

private:
    friend class Clipper;
    friend class NoisyGradient;
    friend struct ClippedSumSeam; // defined in tests and benchmarks only: reads, never makes
    ClippedSum(std::vector<at::Tensor> sums, double loss_sum, std::optional<double> clipped_sum,
               privacy::ClippingNorm clip, privacy::ExpectedBatch batch)
        : sums_(std::move(sums)), loss_sum_(loss_sum), clipped_sum_(clipped_sum), clip_(clip),
          batch_(batch)
    {
    }
    ClippedSum(std::vector<at::Tensor> sums, HardenedSum hardened, privacy::ClippingNorm clip,
               privacy::ExpectedBatch batch)
        : sums_(std::move(sums)), hardened_(std::move(hardened)), clip_(clip), batch_(batch)
    {
    }

    std::vector<at::Tensor> sums_; // fp32, one per trained tensor; zero where it is hardened
    std::optional<HardenedSum> hardened_;
    double loss_sum_ = 0.0; // of clamped losses minus one half
    // Of 1 for clipped units, 0 for others, minus one half; none where nothing is clipped.
    std::optional<double> clipped_sum_{};
    privacy::ClippingNorm clip_;
    privacy::ExpectedBatch batch_;
};

/// The only thing the optimiser of a private run accepts. Making one consumes a step of a ledger
/// line that is already on disk and that step's position of the noise stream, so neither can be
/// forgotten and no sum is released twice. The noise is added when the optimiser reads it.
class NoisyGradient {
public:
    /// `noise`: the attempt's key for this purpose; the nonce is (step, tensor). Noise has standard
    /// deviation sigma C, sigma being the step's gradient multiplier. Loss and clipped fraction are
    /// released when the step was charged for them.
    static NoisyGradient release(ClippedSum&& sum, privacy::SpentStep&& step,
                                 const core::StreamKey& noise);
    /// The same for a hardened sum: `noise` was drawn for its grid before the data were looked at.
    static NoisyGradient release(ClippedSum&& sum, privacy::SpentStep&& step,
                                 privacy::GridNoise&& noise);

    NoisyGradient(NoisyGradient&&) noexcept = default;
    NoisyGradient& operator=(NoisyGradient&&) = delete;

    /// Mean loss of the step with its noise: public. Absent when the step does not pay for it. May
    /// lie outside [0, 1].
    std::optional<double> noised_loss() const noexcept { return noised_loss_; }
    /// Share of units whose gradient was clipped, with its noise: as above.
    std::optional<double> noised_clipped_fraction() const noexcept
    {
        return noised_clipped_fraction_;
    }

private:
    friend class Optimiser; // adds the noise, divides by the batch and updates in one pass
    NoisyGradient(std::vector<at::Tensor> sums, double stddev, double batch, std::int64_t step,
                  const core::StreamKey* noise);
    /// Where a tensor's noise comes from. A copy of the key: to be wiped after use.
    kernels::NoiseStreamId stream(std::uint32_t tensor) const;

    std::vector<at::Tensor> sums_;
    double stddev_;
    double batch_;
    std::int64_t step_;
    std::optional<core::StreamKey> key_; // of its own; none where the sums hold the noise already
    std::optional<double> noised_loss_;
    std::optional<double> noised_clipped_fraction_;
};

} // namespace velamen::dpsgd
