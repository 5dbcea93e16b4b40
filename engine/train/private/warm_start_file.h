// SPDX-License-Identifier: GPL-3.0-or-later
//
// runs/<id>/warm_start.json: what a run has released before its first step, written before it is
// used, so that a crash afterwards loses nothing that was paid for. Released values only: public.

#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "engine/core/result.h"
#include "engine/privacy/class_moments.h"

namespace velamen::train {

struct WarmStartReleases {
    std::optional<std::vector<double>> votes; ///< noisy counts, [classes, public classes]
    std::optional<privacy::ClassMoments> moments;
};

/// Nothing when there is no file. Corrupt: it cannot be read, or its sizes are not those of a run
/// of so many classes over a base of so many.
Result<WarmStartReleases> read_warm_start(const std::filesystem::path& run_folder,
                                          std::size_t classes, std::size_t publics);
/// On the disk when it returns.
Result<> write_warm_start(const std::filesystem::path& run_folder,
                          const WarmStartReleases& releases);

} // namespace velamen::train
