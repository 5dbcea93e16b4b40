// SPDX-License-Identifier: GPL-3.0-or-later
//
// From drawn units to rows: which images, which time, which noise, whether the class is dropped.
// All of it from the unit's own secure stream of this step, so that neither micro-batches nor the
// other units of the draw change anything. Every unit gives the same number of rows: neither time
// nor memory of a step tells how many images a unit has.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/random.h"
#include "engine/train/plan.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

/// k = plan.privacy.images_per_unit images of a unit, picked uniformly at random: distinct ones
/// where it has that many; of a unit with m < k each floor(k / m) times and k mod m, picked at
/// random, once more. In each case every image of the unit is as likely as any other, so that the
/// mean over the picks is an unbiased mean over the unit.
std::vector<data::ImageIndex> pick_images(const data::Unit& unit, std::int64_t count,
                                          core::SecureStream& stream);

/// rows_per_unit(plan) rows for each of the given units, K = noise_multiplicity fresh draws of
/// (t, noise) for each picked image; those of one pick are adjacent. `key`: the attempt's for
/// augmentation; the nonce is (step, unit).
Rows unit_rows(const Dataset& dataset, std::span<const std::int64_t> units,
               const TrainingPlan& plan, std::int64_t train_timesteps, std::int64_t null_class,
               const core::StreamKey& key, std::uint64_t step);

} // namespace velamen::train
