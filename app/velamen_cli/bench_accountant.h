// SPDX-License-Identifier: GPL-3.0-or-later
//
// Times the accountant against dp_accounting, in one run. No tensors.

#pragma once

#include <string>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::app {

/// python: an interpreter that has dp_accounting; empty: only our own times. The answer is
/// {"vectors": [{"rate", "noise", "steps", "delta", "velamen": {"epsilon", "fresh_seconds",
/// "steps_only_seconds", "calibration_seconds", "calibrated_noise"}, "dp_accounting": the same or
/// null, "ratio": {"fresh", "steps_only", "calibration"}: their seconds / ours, or null}]}. Seconds
/// are the minimum of five (dp_accounting: three; calibration: one). Fresh is from nothing but the
/// numbers; steps_only is one to five steps more on a curve that was asked for `steps` before.
/// Blocks for about a minute.
Result<io::Json> benchAccountant(const std::string& python);

} // namespace velamen::app
