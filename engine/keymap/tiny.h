// SPDX-License-Identifier: GPL-3.0-or-later
//
// TAESD: a file with the encoder's layers or one with the decoder's, named by their numbers alone.

#pragma once

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/keymap/blueprint.h"
#include "engine/keymap/part.h"

namespace velamen::keymap {

enum class TinyHalf { Encoder, Decoder };

/// Everything about half a tiny autoencoder but its numbers.
struct TinyPlan {
    TinyHalf half = TinyHalf::Encoder;
    std::int64_t image_channels = 3;
    std::int64_t latents = 4;
    std::int64_t width = 64;
    std::vector<std::int64_t> blocks; ///< of each level, in the order of the layers

    friend bool operator==(const TinyPlan&, const TinyPlan&) = default;
};

/// Whether every name begins with a number.
bool is_tiny(const Part& part);
Result<TinyPlan> read_tiny(const Part& part);
/// The half that the file does not have is described as the mirror image of this one.
io::Json to_config(const TinyPlan& plan);
Result<TinyPlan> tiny_from_config(const io::Json& config, TinyHalf half);
Blueprint blueprint_of(const TinyPlan& plan);

} // namespace velamen::keymap
