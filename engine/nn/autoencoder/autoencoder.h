// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the rest of the program knows of an autoencoder: images to latents and back. Latents are
// unscaled here: mean and std of the checkpoint's card are applied by the caller.

#pragma once

#include <cstdint>

#include <torch/nn/module.h>

#include "engine/nn/layers/tapped.h"

namespace velamen::nn {

/// A diagonal Gaussian; logvar is clamped to [-30, 20], and -30 where latents have no variance.
struct Posterior {
    at::Tensor mean, logvar; // [N, Z, h, w]
};

struct AutoencoderSizes {
    std::int64_t image_channels = 3;
    std::int64_t latent_channels = 4; ///< as the UNet sees them
    std::int64_t sample_size = 32;    ///< side of the images that it was trained on
    std::int64_t factor = 1;          ///< pixels of the image per pixel of the latent, along a side
    double scaling_factor = 1.0;      ///< used when the card has no statistics of its own
};

/// One thread.
class Autoencoder : public torch::nn::Module {
public:
    /// x: [N, C, H, W] in [-1, 1]
    virtual Posterior encode(const at::Tensor& x) = 0;
    /// z: [N, Z, h, w]  ->  [N, C, H, W]
    virtual at::Tensor decode(const at::Tensor& z) = 0;
    virtual AutoencoderSizes sizes() const = 0;

    /// Borrowed; null detaches.
    void set_tap(Tap* tap) { nn::set_tap(*this, tap); }
};

/// The posterior of an encoder without variance. mean: [N, Z, h, w]
Posterior certain(const at::Tensor& mean);

} // namespace velamen::nn
