// SPDX-License-Identifier: GPL-3.0-or-later
//
// Quick looks at images that are still being denoised, without the autoencoder: by a tiny one where
// the checkpoint brings it, else by a linear map from a latent to the colours under it.

#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/generate/latent_scale.h"

namespace velamen::nn {
class Autoencoder;
}

namespace velamen::generate {

/// Immutable. Whoever calls holds a guard against gradients.
class DraftDecoder {
public:
    /// From the checkpoint's folder `vae_tiny` (diffusers' AutoencoderTiny) where there is one,
    /// whose errors are those of loading a component; else fit().
    static Result<DraftDecoder> of(checkpoint::Checkpoint& checkpoint, const LatentScale& scale);
    /// Least squares between public noise, as rough as images are, and the mean colours that the
    /// autoencoder makes of each of its cells. Runs the autoencoder on about 512 cells.
    static DraftDecoder fit(nn::Autoencoder& autoencoder, const LatentScale& scale);

    /// z: latents as the UNet has them, [N, Z, h, w]  ->  [N, C, H, W] in [-1, 1]
    at::Tensor decode(const at::Tensor& z) const { return decode_(z); }

private:
    using Decode = std::function<at::Tensor(const at::Tensor& z)>;
    explicit DraftDecoder(Decode decode) : decode_(std::move(decode)) {}
    Decode decode_;
};

} // namespace velamen::generate
