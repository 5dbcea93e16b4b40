// SPDX-License-Identifier: GPL-3.0-or-later
//
// Times one private step against the same step without privacy, in one run.

#pragma once

#include <cstdint>
#include <string>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::app {

/// config: "mnist", "cifar" or "sd256"; batch 0: the configuration's own;
/// precision: "fp32" or "bf16" (activations and frozen weights). The answer is
/// {"non_private": {"seconds", "peak_bytes"}, "private": {...}, "optimiser":
/// {...}, "ratio"}; start_bytes is what the process held before the model;
/// seconds is the minimum of at least five repeats from forward to (clipped)
/// gradient sum.
Result<io::Json> benchDpStep(const std::string& config, std::int64_t batch,
                             const std::string& precision);

} // namespace velamen::app
