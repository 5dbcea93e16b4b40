// SPDX-License-Identifier: GPL-3.0-or-later
//
// The first stage of CompVis's code (autoencoder.AutoencoderKL, VQModel), as diffusers' config and
// as a list of tensors.

#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/keymap/blueprint.h"
#include "engine/keymap/part.h"

namespace velamen::keymap {

/// Everything about an autoencoder but its numbers. Levels go from the image inwards.
struct AutoencoderPlan {
    std::int64_t in_channels = 3;
    std::int64_t out_channels = 3;
    std::vector<std::int64_t> widths;
    std::vector<bool> encoder_attention;
    std::vector<bool> decoder_attention;
    std::int64_t layers = 2;
    std::int64_t latents = 4;
    std::int64_t codes = 0;      ///< of the codebook; 0: a KL autoencoder
    std::int64_t code_width = 0; ///< numbers of a code
    double scaling_factor = 1.0;
    std::int64_t sample_size = 0; ///< 0: not stated

    bool has_codebook() const noexcept { return codes > 0; }
    /// Pixels per latent, along one side.
    std::int64_t factor() const { return std::int64_t{1} << (widths.size() - 1); }

    friend bool operator==(const AutoencoderPlan&, const AutoencoderPlan&) = default;
};

/// Everything but scaling_factor and sample_size, from names without "first_stage_model.".
Result<AutoencoderPlan> read_autoencoder(const Part& part);

io::Json to_config(const AutoencoderPlan& plan);
/// Unsupported, naming the field, for what CompVis's code cannot hold.
Result<AutoencoderPlan> autoencoder_from_config(const io::Json& config);

Blueprint blueprint_of(const AutoencoderPlan& plan);

} // namespace velamen::keymap
