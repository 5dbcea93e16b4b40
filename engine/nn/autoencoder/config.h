// SPDX-License-Identifier: GPL-3.0-or-later
//
// The shape of a KL autoencoder, under diffusers' field names.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::nn {

struct AutoencoderKLConfig {
    std::int64_t sample_size = 32;
    std::int64_t in_channels = 3;
    std::int64_t out_channels = 3;
    /// "DownEncoderBlock2D" or "AttnDownEncoderBlock2D"
    std::vector<std::string> down_block_types{"DownEncoderBlock2D"};
    /// "UpDecoderBlock2D" or "AttnUpDecoderBlock2D"
    std::vector<std::string> up_block_types{"UpDecoderBlock2D"};
    std::vector<std::int64_t> block_out_channels{64};
    std::int64_t layers_per_block = 1;
    std::int64_t latent_channels = 4;
    std::int64_t norm_num_groups = 32;
    double scaling_factor = 0.18215; ///< kept for diffusers; our latents are scaled by the Card
    bool mid_block_add_attention = true;
    bool use_quant_conv = true;
    bool use_post_quant_conv = true;

    /// Image pixels per latent pixel, along one side.
    std::int64_t factor() const;

    static Result<AutoencoderKLConfig> from_json(const io::Json& json);
    io::Json to_json() const;
    Result<> check() const;
};

} // namespace velamen::nn
