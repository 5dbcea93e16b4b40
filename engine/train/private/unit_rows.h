// SPDX-License-Identifier: GPL-3.0-or-later
//
// From drawn units to rows: which image, which time, which noise, whether the class is dropped. All
// of it from the unit's own secure stream of this step, so that neither micro-batches nor the other
// units of the draw change anything.

#pragma once

#include <cstdint>
#include <span>

#include "engine/core/random.h"
#include "engine/train/plan.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

/// Rows for the given units, plan.optimiser.noise_multiplicity each. `key`: the attempt's for
/// augmentation; the nonce is (step, unit).
Rows unit_rows(const Dataset& dataset, std::span<const std::int64_t> units,
               const OptimiserPlan& plan, std::int64_t train_timesteps, std::int64_t null_class,
               const core::StreamKey& key, std::uint64_t step);

} // namespace velamen::train
