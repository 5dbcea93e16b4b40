// SPDX-License-Identifier: GPL-3.0-or-later
//
// The private side of a run before its first step: scan, ledger, latents. Everything here is
// private and stays in memory.

#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "engine/core/hash.h"
#include "engine/core/result.h"
#include "engine/data/latent_cache.h"
#include "engine/data/source.h"
#include "engine/privacy/ledger.h"
#include "engine/train/plan.h"

namespace velamen::checkpoint {
class Checkpoint;
}

namespace velamen::train {

using Counter = std::function<void(std::int64_t done, std::int64_t total)>;

struct Dataset {
    std::vector<data::Unit> units;
    data::LatentCache latents;
    std::vector<core::Digest> hashes; ///< one an image
    /// Of images, classes and grouping together; only this machine can tell what it stands for.
    std::string fingerprint;
};

/// Images of so many pixels a side that are encoded at once: the memory does not grow with them.
std::int64_t encode_batch(std::int64_t size);

/// Groups the images by the plan's keys, then reads and encodes each once with the frozen
/// autoencoder (its mean, scaled by the card). Refused when the folder does not fit the plan: other
/// classes, or, under zero-out, another number of units. Errors name no file, no unit and no class.
Result<Dataset> load_dataset(const TrainingPlan& plan, const privacy::LedgerStore& store,
                             checkpoint::Checkpoint& checkpoint, std::stop_token stop,
                             const Counter& scanning, const Counter& encoding);

} // namespace velamen::train
