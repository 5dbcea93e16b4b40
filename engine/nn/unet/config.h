// SPDX-License-Identifier: GPL-3.0-or-later
//
// The shape of a conditional UNet, under diffusers' field names. Fields that change the computation
// and are not supported are refused by name when they differ from diffusers' default.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/unet/plan.h"

namespace velamen::nn {

struct UNet2DConditionConfig {
    std::int64_t sample_size = 0; ///< 0: not stated
    std::int64_t in_channels = 4;
    std::int64_t out_channels = 4;
    /// "CrossAttnDownBlock2D" or "DownBlock2D"
    std::vector<std::string> down_block_types{"CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                              "CrossAttnDownBlock2D", "DownBlock2D"};
    /// "UpBlock2D" or "CrossAttnUpBlock2D"
    std::vector<std::string> up_block_types{"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                                            "CrossAttnUpBlock2D"};
    std::vector<std::int64_t> block_out_channels{320, 640, 1280, 1280};
    std::int64_t layers_per_block = 2;
    std::int64_t transformer_layers_per_block = 1;
    std::int64_t cross_attention_dim = 1280;
    /// HEADS, in spite of the name: one value, or one per level.
    std::vector<std::int64_t> attention_head_dim{8};
    bool use_linear_projection = false;
    std::int64_t norm_num_groups = 32;
    double norm_eps = 1e-5;
    std::int64_t downsample_padding = 1;
    bool flip_sin_to_cos = true;
    double freq_shift = 0.0;
    std::int64_t num_class_embeds = 0; ///< 0: none
    bool scale_shift = false;          ///< resnet_time_scale_shift
    /// Residual blocks between the levels in place of convolutions, as latent-diffusion's
    /// `resblock_updown` makes them. diffusers' class cannot express it: the class name becomes
    /// "LatentUNet2DCondition".
    bool resnet_resampling = false;

    std::int64_t heads_of(std::size_t level) const;
    /// `check()` must hold.
    UNetPlan plan() const;

    /// Corrupt or Unsupported, naming the field.
    static Result<UNet2DConditionConfig> from_json(const io::Json& json);
    /// With "_class_name", loadable by diffusers unless resnet_resampling.
    io::Json to_json() const;
    /// InvalidArgument when the fields do not fit each other (also part of from_json).
    Result<> check() const;
};

} // namespace velamen::nn
