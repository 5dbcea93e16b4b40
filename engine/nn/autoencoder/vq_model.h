// SPDX-License-Identifier: GPL-3.0-or-later
//
// The autoencoder with a codebook (diffusers' VQModel). Latents are the encoder's own, not those of
// the codebook: decoding looks the nearest ones up. Parameter names are diffusers' keys.

#pragma once

#include <memory>

#include <torch/nn/pimpl.h>

#include "engine/nn/autoencoder/coder.h"
#include "engine/nn/autoencoder/config.h"
#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/embedding.h"

namespace velamen::nn {

struct VqModelConfig {
    /// The fields that it shares with AutoencoderKL; its quant convolutions are always there.
    /// scaling_factor is 1 when the file does not say: latent-diffusion does not scale them.
    AutoencoderKLConfig coder{.latent_channels = 3, .scaling_factor = 1.0};
    std::int64_t num_vq_embeddings = 256;
    std::int64_t vq_embed_dim = 3; ///< latent_channels when the file does not say

    /// Corrupt or Unsupported, naming the field.
    static Result<VqModelConfig> from_json(const io::Json& json);
    io::Json to_json() const;
    Result<> check() const;
};

AutoencoderSizes sizes_of(const VqModelConfig& config);

class VqModelImpl final : public Autoencoder {
public:
    /// `config.check()` must hold.
    explicit VqModelImpl(const VqModelConfig& config);

    /// Without variance.
    Posterior encode(const at::Tensor& x) override;
    at::Tensor decode(const at::Tensor& z) override;
    AutoencoderSizes sizes() const override;

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
