// SPDX-License-Identifier: GPL-3.0-or-later
//
// The tiny autoencoder for quick looks at latents (TAESD, diffusers' AutoencoderTiny): works on
// scaled latents, without a posterior. Parameter names are diffusers' keys.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/layers/conv.h"

namespace velamen::nn {

struct AutoencoderTinyConfig {
    std::int64_t in_channels = 3;
    std::int64_t out_channels = 3;
    std::int64_t latent_channels = 4;
    std::int64_t encoder_channels = 64; ///< of all its blocks
    std::int64_t decoder_channels = 64;
    std::vector<std::int64_t> num_encoder_blocks{1, 3, 3, 3};
    std::vector<std::int64_t> num_decoder_blocks{3, 3, 3, 1};
    double scaling_factor = 1.0;

    /// Corrupt or Unsupported, naming the field.
    static Result<AutoencoderTinyConfig> from_json(const io::Json& json);
    io::Json to_json() const;
    Result<> check() const;
};

class TinyHalfImpl;

class AutoencoderTinyImpl final : public torch::nn::Module {
public:
    /// `config.check()` must hold.
    explicit AutoencoderTinyImpl(const AutoencoderTinyConfig& config);
    ~AutoencoderTinyImpl() override;

    /// x: [N, C, H, W] in [-1, 1]  ->  [N, Z, h, w]
    at::Tensor encode(const at::Tensor& x);
    /// z: [N, Z, h, w], scaled as the UNet has it  ->  [N, Cout, H, W]
    at::Tensor decode(const at::Tensor& z);

    const AutoencoderTinyConfig& config() const noexcept { return config_; }

private:
    AutoencoderTinyConfig config_;
    std::shared_ptr<TinyHalfImpl> encoder_, decoder_;
};
TORCH_MODULE(AutoencoderTiny);

} // namespace velamen::nn
