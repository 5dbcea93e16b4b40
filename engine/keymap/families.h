// SPDX-License-Identifier: GPL-3.0-or-later
//
// The published checkpoints, told by the shapes of their UNets, and what is known of them that
// shapes do not tell.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/keymap/autoencoder.h"
#include "engine/keymap/single_file.h"
#include "engine/keymap/unet.h"

namespace velamen::keymap {

struct Family {
    std::string name;
    UnetPlan shapes; ///< what tells it: heads, layers, depth and classes are not compared
    std::vector<std::int64_t> heads; ///< one number, or one a level; empty: see head_channels
    std::int64_t head_channels = 0;
    std::string choices; ///< where neither is known: what to pass
    Betas betas;
    std::int64_t sample_size = 0;
    double scaling_factor = 1.0; ///< of the latents
    bool is_pndm = false;        ///< the published scheduler
};

/// Null pointer for other shapes.
const Family* family_of(const UnetPlan& plan);

/// Sets the heads, and says in `notes` where they come from. `family` may be null.
Result<> settle_heads(UnetPlan& plan, const Family* family, const SingleFileOptions& options,
                      std::vector<std::string>& notes);
/// scheduler_config.json; sets the plan's sample size, which for Stable Diffusion 2 goes with the
/// prediction.
Result<io::Json> settle_scheduler(UnetPlan& plan, const Family* family,
                                  const SingleFileOptions& options,
                                  std::vector<std::string>& notes);

/// The name of a published autoencoder, or "autoencoder"; sets what is known of it beside a UNet of
/// `family` with latents of `latent_size`, or (null, 0) of it alone.
std::string settle_autoencoder(AutoencoderPlan& plan, const Family* family,
                               std::int64_t latent_size);

} // namespace velamen::keymap
