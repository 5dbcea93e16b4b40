// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whether the components of a checkpoint belong together. Configs and the card only.

#pragma once

#include <vector>

#include "engine/checkpoint/opened.h"

namespace velamen::checkpoint {

/// What does not fit: a config that is not supported, channels, widths, classes, latents. Empty
/// when the checkpoint can be used. Components that are not there are not looked at.
std::vector<Error> misfits_of(const Opened& opened);

/// open_checkpoint() whose first problem, or what does not fit, is the error.
Result<Opened> open_usable(const std::filesystem::path& path, const OpenOptions& options = {});

} // namespace velamen::checkpoint
