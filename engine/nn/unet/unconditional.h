// SPDX-License-Identifier: GPL-3.0-or-later
//
// The unconditional UNet (diffusers' UNet2DModel) with self-attention at some levels. Parameter
// names are diffusers' keys.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/norm.h"
#include "engine/nn/layers/time_embedding.h"

namespace velamen::nn {

class DownStageImpl;
class MidStageImpl;
class UpStageImpl;

/// Under diffusers' field names. Fields that change the computation and are not supported are
/// refused by name when they differ from diffusers' default.
struct UNet2DConfig {
    std::int64_t sample_size = 0; ///< 0: not stated
    std::int64_t in_channels = 3;
    std::int64_t out_channels = 3;
    /// "DownBlock2D" or "AttnDownBlock2D"
    std::vector<std::string> down_block_types{"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D",
                                              "AttnDownBlock2D"};
    /// "AttnUpBlock2D" or "UpBlock2D"
    std::vector<std::string> up_block_types{"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D",
                                            "UpBlock2D"};
    std::vector<std::int64_t> block_out_channels{224, 448, 672, 896};
    std::int64_t layers_per_block = 2;
    std::int64_t attention_head_dim = 8; ///< channels of a head, as it says; 0: one head
    std::int64_t norm_num_groups = 32;
    /// Of the middle's attention; 0: norm_num_groups, or no norm under scale_shift.
    std::int64_t attn_norm_num_groups = 0;
    double norm_eps = 1e-5;
    bool scale_shift = false;                    ///< resnet_time_scale_shift
    bool attention_resampling_by_resnet = false; ///< downsample_type and upsample_type "resnet"
    bool add_attention = true;                   ///< in the middle
    std::int64_t downsample_padding = 1;
    bool flip_sin_to_cos = true;
    double freq_shift = 0.0;

    std::int64_t heads_of(std::size_t level) const;

    /// Corrupt or Unsupported, naming the field.
    static Result<UNet2DConfig> from_json(const io::Json& json);
    /// With "_class_name", loadable by diffusers.
    io::Json to_json() const;
    /// InvalidArgument when the fields do not fit each other (also part of from_json).
    Result<> check() const;
};

/// Fresh parameters have torch's default initial values. One thread.
class UNet2DImpl final : public torch::nn::Module {
public:
    /// `config.check()` must hold.
    explicit UNet2DImpl(const UNet2DConfig& config);
    ~UNet2DImpl() override;

    /// sample: [N, C, H, W], H and W multiples of 2^(levels - 1), timestep: [N] float  ->
    /// [N, Cout, H, W]
    at::Tensor forward(const at::Tensor& sample, const at::Tensor& timestep);

    /// Borrowed; null detaches.
    void set_tap(Tap* tap);
    const UNet2DConfig& config() const noexcept { return config_; }

private:
    UNet2DConfig config_;
    Conv conv_in_{nullptr}, conv_out_{nullptr};
    TimeEmbedding time_embedding_{nullptr};
    GroupNorm norm_out_{nullptr};
    std::vector<std::shared_ptr<DownStageImpl>> down_;
    std::shared_ptr<MidStageImpl> mid_;
    std::vector<std::shared_ptr<UpStageImpl>> up_;
};
TORCH_MODULE(UNet2D);

} // namespace velamen::nn
