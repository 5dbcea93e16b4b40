// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the graph of a UNet is, whichever config said so: numbers only. One graph (model.h) and one
// arithmetic of its parameters (shapes.h) are made from it.

#pragma once

#include <cstdint>
#include <vector>

namespace velamen::nn {

/// What follows each residual block of a stage.
enum class StageAttention {
    None,
    Transformer, ///< self-attention and cross-attention to the context
    Spatial,     ///< self-attention alone
};

/// What a stage needs to know besides its channels.
struct StageOptions {
    std::int64_t time_channels = 1;
    std::int64_t groups = 32;
    double eps = 1e-5;
    bool scale_shift = false;
    bool resample_by_resnet = false; ///< a residual block where there would be one convolution
    StageAttention attention = StageAttention::None;
    std::int64_t heads = 1;
    std::int64_t context_channels = 1;
    std::int64_t depth = 1;
    bool linear_projection = false;
    std::int64_t attention_groups = 32; ///< of spatial attention; 0: no norm
    std::int64_t downsample_padding = 1;
};

struct UNetPlan {
    std::int64_t sample_size = 0; ///< side of a latent; 0: not stated
    std::int64_t in_channels = 4;
    std::int64_t out_channels = 4;
    std::vector<std::int64_t> channels; ///< of each level, the finest first
    std::int64_t layers = 2;            ///< residual blocks of a stage; going up one more
    std::vector<StageOptions> down;     ///< the finest level first
    StageOptions middle;
    std::vector<StageOptions> up; ///< the coarsest level first
    std::int64_t groups = 32;     ///< of the last norm
    double eps = 1e-5;
    bool flip_sin_to_cos = true;
    double freq_shift = 0.0;
    std::int64_t context_channels = 0; ///< of a token; 0: there is no context
    std::int64_t class_rows = 0;       ///< of a class table beside the timestep; 0: none

    std::int64_t time_channels() const { return 4 * channels.front(); }
};

} // namespace velamen::nn
