// SPDX-License-Identifier: GPL-3.0-or-later
//
// Between the autoencoder's latents and the ones that the UNet sees: z_model = (z - mean) / std,
// per channel or per element, as the checkpoint's card says; without numbers there, the
// autoencoder's scaling factor as in diffusers.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/result.h"

namespace velamen::generate {

/// Immutable. [C, H, W] is the shape of one latent.
class LatentScale {
public:
    /// Corrupt when the card's numbers do not fit the shape or a std is not a positive number.
    static Result<LatentScale> create(const checkpoint::Card& card, double scaling_factor,
                                      std::int64_t channels, std::int64_t side);
    /// For the models of a loaded checkpoint.
    static Result<LatentScale> of(checkpoint::Checkpoint& checkpoint);

    at::Tensor to_model(const at::Tensor& z) const;             // [N, C, H, W]
    at::Tensor to_autoencoder(const at::Tensor& z_model) const; // [N, C, H, W]
    std::int64_t channels() const noexcept { return channels_; }
    std::int64_t side() const noexcept { return side_; }
    /// The same at every place of a latent, which may then have any side.
    bool is_uniform() const { return mean_.size(3) == 1; }

private:
    LatentScale(at::Tensor mean, at::Tensor std, std::int64_t channels, std::int64_t side);
    at::Tensor mean_, std_; // fp32, [1, C, 1, 1] or [1, C, H, W]
    std::int64_t channels_, side_;
};

} // namespace velamen::generate
