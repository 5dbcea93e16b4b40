// SPDX-License-Identifier: GPL-3.0-or-later
//
// The autoencoder with a Gaussian posterior (diffusers' AutoencoderKL). Parameter names are
// diffusers' keys.

#pragma once

#include <memory>

#include <torch/nn/pimpl.h>

#include "engine/nn/autoencoder/autoencoder.h"
#include "engine/nn/autoencoder/coder.h"
#include "engine/nn/autoencoder/config.h"
#include "engine/nn/layers/conv.h"

namespace velamen::nn {

class AutoencoderKLImpl final : public Autoencoder {
public:
    /// `config.check()` must hold.
    explicit AutoencoderKLImpl(const AutoencoderKLConfig& config);

    Posterior encode(const at::Tensor& x) override;
    at::Tensor decode(const at::Tensor& z) override;
    AutoencoderSizes sizes() const override;

    const AutoencoderKLConfig& config() const noexcept { return config_; }

private:
    AutoencoderKLConfig config_;
    std::shared_ptr<CoderHalf> encoder_, decoder_;
    Conv quant_conv_{nullptr}, post_quant_conv_{nullptr};
};
TORCH_MODULE(AutoencoderKL);

} // namespace velamen::nn
