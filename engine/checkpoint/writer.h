// SPDX-License-Identifier: GPL-3.0-or-later
//
// Writes a checkpoint that did not exist before (public training). Tuned copies of an existing one
// are written by Checkpoint::save_tuned.

#pragma once

#include <filesystem>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/dtype.h"

namespace velamen::checkpoint {

/// The whole folder, loadable by diffusers part by part; weights as `dtype` (F32 or F16). Written
/// beside `folder` and renamed; an earlier checkpoint there is replaced, anything else is refused.
Result<> save_new(const std::filesystem::path& folder, const nn::UNet2DConditionImpl& unet,
                  const nn::AutoencoderKLImpl& vae, const nn::ClassEmbedderImpl& embedder,
                  const diffusion::Schedule& schedule, const Card& card, DType dtype);

} // namespace velamen::checkpoint
