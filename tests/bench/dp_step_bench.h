// SPDX-License-Identifier: GPL-3.0-or-later
//
// Times one private step against the same step of the same model without privacy, in one run.

#pragma once

#include <cstdint>
#include <string>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::bench {

/// config: "mnist", "cifar" or "sd256"; batch 0: the configuration's own. The answer is
/// {"non_private": {"seconds", "peak_bytes"}, "private": {...}, "optimiser": {...}, "ratio"}:
/// seconds is the minimum of `repeats` from forward to (clipped) gradient sum, the two kinds taking
/// turns; peak_bytes is the process's peak during one such pass; ratio is private / non_private.
Result<io::Json> dp_step(const std::string& config, std::int64_t batch = 0, int repeats = 5);

} // namespace velamen::bench
