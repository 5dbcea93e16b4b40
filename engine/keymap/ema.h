// SPDX-License-Identifier: GPL-3.0-or-later
//
// The moving average of a UNet beside its weights (CompVis's ema.LitEma): its names are those of
// the weights without dots, so they cannot be read, only made.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"
#include "engine/keymap/part.h"
#include "engine/keymap/single_file.h"

namespace velamen::keymap {

struct ChosenWeights {
    Part unet; ///< under the names of the weights
    std::vector<std::string> ignored;
    std::string note;
};

/// "input_blocks.0.0.weight" -> "diffusion_modelinput_blocks00weight"
std::string average_name(std::string_view live);

/// `average`: without "model_ema.". A frozen weight is not in the average, and is taken from the
/// weights. NotFound when the average is required and absent, or alone and to be ignored;
/// Unsupported for an average of something unknown, Corrupt for one of another shape.
Result<ChosenWeights> choose_weights(const Part& live, const Part& average, EmaChoice choice);

} // namespace velamen::keymap
