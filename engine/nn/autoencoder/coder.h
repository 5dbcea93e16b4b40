// SPDX-License-Identifier: GPL-3.0-or-later
//
// The two halves that the autoencoders share: images to maps of latents, and back.

#pragma once

#include <memory>

#include <torch/nn/module.h>

#include "engine/nn/autoencoder/autoencoder.h"
#include "engine/nn/autoencoder/config.h"

namespace velamen::nn {

class CoderHalf : public torch::nn::Module {
public:
    virtual at::Tensor forward(const at::Tensor& x) = 0;
};

/// [N, C, H, W]  ->  [N, Z, h, w], or [N, 2 Z, h, w] with a variance beside each mean.
std::shared_ptr<CoderHalf> make_encoder(const AutoencoderKLConfig& config, bool has_variance);
/// [N, Z, h, w]  ->  [N, C, H, W]
std::shared_ptr<CoderHalf> make_decoder(const AutoencoderKLConfig& config);

AutoencoderSizes sizes_of(const AutoencoderKLConfig& config);

} // namespace velamen::nn
