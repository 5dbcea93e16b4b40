// SPDX-License-Identifier: GPL-3.0-or-later
//
// The UNet of CompVis's code (openaimodel.UNetModel), as diffusers' config and as a list of
// tensors.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/keymap/blueprint.h"
#include "engine/keymap/part.h"

namespace velamen::keymap {

/// Everything about a UNet but its numbers. Widths, levels and heads go from the outermost level
/// inwards.
struct UnetPlan {
    enum class Attention {
        ToSelf,  ///< AttentionBlock: no condition
        ToOthers ///< SpatialTransformer: to itself and to the condition
    };

    Attention attention = Attention::ToOthers;
    std::int64_t in_channels = 4;
    std::int64_t out_channels = 4;
    std::vector<std::int64_t> widths;
    std::vector<bool> has_attention;
    std::int64_t layers = 2;
    std::int64_t depth = 1;   ///< transformer blocks, one after the other
    std::int64_t context = 0; ///< width of the condition; 0 without
    bool has_linear_projections = false;
    bool has_scale_shift = false;     ///< time scales and shifts instead of being added
    bool resamples_by_resnet = false; ///< between the levels
    std::int64_t classes = 0;         ///< rows of label_emb; 0 without
    std::vector<std::int64_t> heads;  ///< one a level; invisible in shapes
    std::int64_t sample_size = 0;     ///< 0: not stated

    friend bool operator==(const UnetPlan&, const UnetPlan&) = default;
};

/// Everything but heads and sample_size, from names without "model.diffusion_model.". Unsupported
/// for a UNet that takes more than latents (inpainting, ...) and for what has no levels at all;
/// what the shapes contradict is found by to_ours().
Result<UnetPlan> read_unet(const Part& part);

/// The heads of the plan must be known. Unsupported for what no class of diffusers and none of ours
/// ("LatentUNet2DCondition", "LatentUNet2D") computes.
Result<io::Json> to_config(const UnetPlan& plan);
/// Unsupported, naming the field, for what CompVis's code cannot hold.
Result<UnetPlan> unet_from_config(const io::Json& config);

/// The heads of the plan must be known.
Blueprint blueprint_of(const UnetPlan& plan);

} // namespace velamen::keymap
