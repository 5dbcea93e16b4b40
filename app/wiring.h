// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where sessions are made from plans: used by the window and the command line alike. Composition
// only; nothing here decides anything about privacy.

#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/data/source.h"
#include "engine/release/release.h"
#include "engine/train/plan.h"
#include "engine/train/private/private_session.h"

namespace velamen::app {

/// Embedded public checkpoints and the demo's private digits: beside the installed program, or in
/// the source tree that built it.
struct Resources {
    std::filesystem::path lettersCheckpoint;
    std::filesystem::path emojiCheckpoint;
    std::filesystem::path digits;
    std::filesystem::path vocabularies;
};
Resources findResources(const std::filesystem::path& executable);
/// Tells the engine where the vocabularies lie, for checkpoints that come without a tokenizer.
void shareVocabularies(const std::filesystem::path& executable);

Result<data::Manifest> scanSource(const std::filesystem::path& source, std::stop_token stop,
                                  const data::ScanProgress& progress,
                                  const data::ScanOptions& options = {});

/// A private thumbnail.
Result<image::Image> thumbnail(const std::filesystem::path& source, const std::string& name,
                               int size);

/// Ledger lines of the dataset in `source`; empty when it has none.
Result<std::vector<privacy::LedgerEntry>> ledgerOf(const std::filesystem::path& source);

/// Plan, ledger and fingerprints of a run as a release wants them, without images.
Result<release::ReleaseRequest> releaseRequestOf(const std::filesystem::path& runFolder);

/// The plan of a run folder.
Result<train::TrainingPlan> planOf(const std::filesystem::path& runFolder);

} // namespace velamen::app
