// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a private run leaves on the disk between its steps: the state to resume from and the tuned
// checkpoint. Both are released values; no key is ever among them.

#pragma once

#include "engine/core/result.h"
#include "engine/dpsgd/optimiser.h"
#include "engine/train/private/run_folder.h"

namespace velamen::checkpoint {
class Checkpoint;
}

namespace velamen::train {

/// Writes the optimiser's state (weights, moments, average, step) whole or not at all, and names it
/// with its SHA-256 in `folder.state()`; the caller saves that.
Result<> save_state(RunFolder& folder, const dpsgd::Optimiser& optimiser);

/// The reverse; nothing happens before the first save. Corrupt when the file is not what was saved.
Result<> load_state(RunFolder& folder, dpsgd::Optimiser& optimiser);

/// Writes `averaged`, which holds the averaged weights, as the run's tuned checkpoint.
Result<> save_tuned(RunFolder& folder, checkpoint::Checkpoint& averaged,
                    const std::vector<std::string>& trained);

} // namespace velamen::train
