// SPDX-License-Identifier: GPL-3.0-or-later
//
// Images to latents and back (diffusers' AutoencoderKL). Parameter names are diffusers' keys.
// Latents are unscaled: mean and std of the checkpoint's card are applied by the caller.

#pragma once

#include <memory>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "engine/nn/autoencoder/coder.h"
#include "engine/nn/autoencoder/config.h"
#include "engine/nn/layers/conv.h"

namespace velamen::nn {

/// A diagonal Gaussian; logvar is clamped to [-30, 20].
struct Posterior {
    at::Tensor mean, logvar; // [N, Z, h, w]
};

class AutoencoderKLImpl final : public torch::nn::Module {
public:
    /// `config.check()` must hold.
    explicit AutoencoderKLImpl(const AutoencoderKLConfig& config);

    /// x: [N, C, H, W] in [-1, 1]
    Posterior encode(const at::Tensor& x);
    /// z: [N, Z, h, w]  ->  [N, Cout, H, W]
    at::Tensor decode(const at::Tensor& z);

    void set_tap(Tap* tap);
    const AutoencoderKLConfig& config() const noexcept { return config_; }

private:
    AutoencoderKLConfig config_;
    std::shared_ptr<CoderHalf> encoder_, decoder_;
    Conv quant_conv_{nullptr}, post_quant_conv_{nullptr};
};
TORCH_MODULE(AutoencoderKL);

} // namespace velamen::nn
