// SPDX-License-Identifier: GPL-3.0-or-later
//
// Everything that a step releases on one integer grid: the gradients of all trained tensors and,
// beside them, the scalars that are released jointly. One contribution is one vector, clipped and
// rounded as a whole; one exact sum, one draw of discrete noise. No autograd here.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/dpsgd/trained_tensor.h"
#include "engine/privacy/grid.h"

namespace velamen::dpsgd {

/// Where each part lies in the vector. A scalar of sensitivity 1/2 and noise sigma_s is scaled by
/// 2 sigma_g C / sigma_s, so that the same noise sigma_g C is right for all coordinates; the norm
/// of all parts is then at most C' = C sigma_g / sigma, sigma being the joint multiplier, and sigma
/// C' = sigma_g C.
class HardenedLayout {
public:
    /// Errors as privacy::Grid::create().
    static Result<HardenedLayout> create(const TrainedTensors& trained, privacy::ClippingNorm clip,
                                         const privacy::StepNoise& noise);

    /// Clipping norm C', as many dimensions as the vector has.
    const privacy::Grid& grid() const noexcept { return grid_; }
    /// The part of a whole vector that belongs to trained tensor i.
    template <class T>
    std::span<T> place_of(std::size_t i, std::span<T> whole) const
    {
        return whole.subspan(offsets_[i], offsets_[i + 1] - offsets_[i]);
    }
    std::size_t weights() const noexcept { return offsets_.back(); }
    double loss_scale() const noexcept { return loss_scale_; }       ///< 0: not released
    double clipped_scale() const noexcept { return clipped_scale_; } ///< 0: not released

private:
    HardenedLayout(const privacy::Grid& grid, std::vector<std::size_t> offsets)
        : grid_(grid), offsets_(std::move(offsets))
    {
    }
    privacy::Grid grid_;
    std::vector<std::size_t> offsets_; // of each tensor; the last is their end
    double loss_scale_ = 0.0;
    double clipped_scale_ = 0.0;
};

/// Noisy sums of values minus 1/2, where they were released.
struct HardenedScalars {
    std::optional<double> loss{};
    std::optional<double> clipped{};
};

/// One unit's contribution; scratch that is used again and again. One thread at a time.
class HardenedContribution {
public:
    /// OutOfMemory: 12 bytes per weight are not there.
    static Result<HardenedContribution> create(const HardenedLayout& layout);

    /// The place of trained tensor i, to be filled in; all tensors together clipped to C.
    std::span<float> weights_of(std::size_t i) { return layout_.place_of(i, std::span(whole_)); }
    /// Rounds the contribution with its scalars, each in [-1/2, 1/2].
    void round(double shifted_loss, double shifted_clipped);

private:
    friend class HardenedSum;
    HardenedContribution(const HardenedLayout& layout, privacy::GridContribution rounded)
        : layout_(layout), rounded_(std::move(rounded))
    {
    }
    HardenedLayout layout_;
    std::vector<float> whole_;
    privacy::GridContribution rounded_;
};

/// The exact sum of a step's contributions: not private until released. One thread at a time.
class HardenedSum {
public:
    /// OutOfMemory: 8 bytes per weight are not there.
    static Result<HardenedSum> create(const HardenedLayout& layout);

    Result<> add(const HardenedContribution& contribution)
    {
        return sum_.add(contribution.rounded_);
    }

    /// Adds the noise and writes the weights' part into `sums` (fp32, contiguous). As
    /// privacy::GridSum::release().
    HardenedScalars release(privacy::GridNoise&& noise, privacy::SpentStep&& step,
                            const std::vector<at::Tensor>& sums) &&;

private:
    HardenedSum(const HardenedLayout& layout, privacy::GridSum sum)
        : layout_(layout), sum_(std::move(sum))
    {
    }
    HardenedLayout layout_;
    privacy::GridSum sum_;
};

} // namespace velamen::dpsgd
