// SPDX-License-Identifier: GPL-3.0-or-later
//
// Runs one component of a checkpoint on given tensors, so that anyone can check it against another
// implementation.

#pragma once

#include <filesystem>
#include <string>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/result.h"

namespace velamen::checkpoint {

/// `component`: unet (sample, timestep, encoder_hidden_states or class_labels -> sample),
/// vae_encoder (sample -> mean, logvar), vae_decoder (latents, unscaled -> sample), text_encoder
/// (input_ids -> last_hidden_state).
/// Both files are safetensors; the outputs are fp32.
Result<> forward_component(const std::filesystem::path& folder, const std::string& component,
                           const std::filesystem::path& inputs,
                           const std::filesystem::path& outputs, const OpenOptions& options = {});

} // namespace velamen::checkpoint
