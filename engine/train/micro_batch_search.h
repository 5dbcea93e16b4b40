// SPDX-License-Identifier: GPL-3.0-or-later
//
// The largest micro-batch for a memory limit. Knows neither models nor how memory is measured.

#pragma once

#include <cstdint>
#include <functional>

#include "engine/core/result.h"

namespace velamen::train {

/// Runs one pass of so many units and gives the memory that it took at most, GiB; OutOfMemory where
/// it did not fit at all.
using MemoryProbe = std::function<Result<double>(std::int64_t units)>;

/// The largest micro-batch up to `most` whose pass was measured within `limit` GiB, up to a
/// sixteenth below the best. Memory is taken as base + units * slope; the formula is corrected by
/// every probe, and no probe has more than eight times the units of one that fitted. Refused, with
/// what one unit needs, where one alone is too much; an error of a probe as it is.
Result<std::int64_t> largest_micro_batch(std::int64_t most, double limit, const MemoryProbe& probe);

} // namespace velamen::train
