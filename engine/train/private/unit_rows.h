// SPDX-License-Identifier: GPL-3.0-or-later
//
// From drawn units to rows: which image, which time, which noise, whether the class is dropped. All
// of it from the step's own secure stream, in the order of the draw, so that micro-batches change
// nothing.

#pragma once

#include <cstdint>
#include <span>

#include "engine/core/random.h"
#include "engine/train/plan.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

/// Rows for the given units, plan.optimiser.noise_multiplicity each.
Rows unit_rows(const Dataset& dataset, std::span<const std::int64_t> units,
               const OptimiserPlan& plan, std::int64_t train_timesteps, std::int64_t null_class,
               core::SecureStream& stream);

} // namespace velamen::train
