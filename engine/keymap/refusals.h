// SPDX-License-Identifier: GPL-3.0-or-later
//
// Files that are something else than a latent diffusion checkpoint, told by their names.

#pragma once

#include <span>

#include "engine/core/result.h"
#include "engine/keymap/sections.h"
#include "engine/keymap/tensors.h"

namespace velamen::keymap {

/// Unsupported, saying what the file is: a LoRA, a ControlNet, SDXL, SD3, Flux, a diffusers model.
Result<> refuse_foreign(std::span<const Entry> entries);

/// Unsupported for a file without UNet and autoencoder, and for tensors that are nobody's.
Result<> refuse_unrecognised(const Sections& sections);

} // namespace velamen::keymap
