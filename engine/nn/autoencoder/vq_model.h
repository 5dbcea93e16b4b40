// SPDX-License-Identifier: GPL-3.0-or-later
//
// The autoencoder with a codebook (diffusers' VQModel). Latents are the encoder's own, not those of
// the codebook: decoding looks the nearest ones up. Parameter names are diffusers' keys.

#pragma once

#include <memory>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "engine/nn/autoencoder/coder.h"
#include "engine/nn/autoencoder/config.h"
#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/embedding.h"

namespace velamen::nn {

struct VqModelConfig {
    /// The fields that it shares with AutoencoderKL; its quant convolutions are always there.
    AutoencoderKLConfig coder{.latent_channels = 3};
    std::int64_t num_vq_embeddings = 256;
    std::int64_t vq_embed_dim = 3; ///< latent_channels when the file does not say

    /// Corrupt or Unsupported, naming the field.
    static Result<VqModelConfig> from_json(const io::Json& json);
    io::Json to_json() const;
    Result<> check() const;
};

class VqModelImpl final : public torch::nn::Module {
public:
    /// `config.check()` must hold.
    explicit VqModelImpl(const VqModelConfig& config);

    /// x: [N, C, H, W] in [-1, 1]  ->  [N, Z, h, w]
    at::Tensor encode(const at::Tensor& x);
    /// z: [N, Z, h, w]  ->  [N, Cout, H, W]
    at::Tensor decode(const at::Tensor& z);

    const VqModelConfig& config() const noexcept { return config_; }

private:
    at::Tensor nearest(const at::Tensor& z);

    VqModelConfig config_;
    std::shared_ptr<CoderHalf> encoder_, decoder_;
    Conv quant_conv_{nullptr}, post_quant_conv_{nullptr};
    Embedding codebook_{nullptr};
};
TORCH_MODULE(VqModel);

} // namespace velamen::nn
