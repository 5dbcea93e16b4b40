// SPDX-License-Identifier: GPL-3.0-or-later
//
// The shape of an unconditional UNet (diffusers' UNet2DModel) with self-attention at some levels,
// under diffusers' field names.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/unet/plan.h"

namespace velamen::nn {

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
    std::int64_t num_class_embeds = 0; ///< 0: none
    /// Heads at every level, in place of attention_head_dim; 0: as that says.
    std::int64_t num_attention_heads = 0;
    /// Residual blocks between all levels in place of convolutions, as latent-diffusion's
    /// `resblock_updown` makes them; attention_resampling_by_resnet is of those with attention.
    bool resnet_resampling = false;

    /// Neither of the last two can be expressed by diffusers' class: with one of them the class
    /// name is "LatentUNet2D".
    bool is_own() const noexcept { return num_attention_heads > 0 || resnet_resampling; }
    std::int64_t heads_of(std::size_t level) const;
    /// `check()` must hold.
    UNetPlan plan() const;

    /// Corrupt or Unsupported, naming the field.
    static Result<UNet2DConfig> from_json(const io::Json& json);
    /// With "_class_name", loadable by diffusers unless is_own().
    io::Json to_json() const;
    /// InvalidArgument when the fields do not fit each other (also part of from_json).
    Result<> check() const;
};

} // namespace velamen::nn
