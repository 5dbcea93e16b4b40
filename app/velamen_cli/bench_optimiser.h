// SPDX-License-Identifier: GPL-3.0-or-later
//
// Times the update of a private step against the memory that it has to move, in one run.

#pragma once

#include <cstdint>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::app {

/// So many trained parameters, in tensors as a latent diffusion model has them. The answer is
/// {"parameters", "bytes", "update": {"seconds"}, "stream": {"seconds", "bytes_per_second"},
/// "ratio"}: bytes is what AdamW with an average reads (5 arrays) and writes (4); stream is a loop
/// on all threads that reads and writes the same arrays of the same size and adds once; seconds is
/// the minimum of several repeats, which take turns. Needs 24 bytes a parameter.
Result<io::Json> benchOptimiser(std::int64_t parameters);

} // namespace velamen::app
