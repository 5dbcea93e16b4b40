// SPDX-License-Identifier: GPL-3.0-or-later
//
// CompVis's single files (.ckpt, .safetensors) as opened checkpoints. What their names mean is
// engine/keymap's.

#pragma once

#include <filesystem>

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/opened.h"

namespace velamen::checkpoint {

/// Errors of the container and of keymap::from_compvis().
Result<Opened> open_single_file(const std::filesystem::path& path, const OpenOptions& options);

/// The betas that CompVis calls "linear": linear in their square roots. fp64 [steps]
at::Tensor scaled_linear(double first, double last, std::int64_t steps);

/// One of its components, also of a file that holds nothing else.
Result<Component> open_part_of_file(const std::filesystem::path& path, Role role,
                                    const OpenOptions& options);

} // namespace velamen::checkpoint
