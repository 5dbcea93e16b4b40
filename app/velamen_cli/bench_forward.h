// SPDX-License-Identifier: GPL-3.0-or-later
//
// Times what a checkpoint is used for without training: one pass of its UNet, sampling, opening.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::app {

/// config: "cifar-ddim" (20 steps of DDIM for 8 images, latents only) or "sd256" (one pass, one
/// latent, 77 tokens); random weights. precision: "fp32" or "bf16". {"seconds": the least of the
/// repeats after one that is not counted}.
Result<io::Json> benchForward(const std::string& config, const std::string& precision);

/// The UNet of a checkpoint from disk to modules that are ready to run, with `touch` one value
/// of each page looked at: {"seconds"}.
Result<io::Json> benchOpen(const std::filesystem::path& checkpoint, bool touch);

} // namespace velamen::app
