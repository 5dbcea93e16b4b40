// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the studio needs from the engine, as functions, so that windows can be driven by fakes.
// app/wiring fills them in. Every function may be slow and is called from workers only, never the
// GUI thread.

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/convert.h"
#include "engine/core/result.h"
#include "engine/data/keys.h"
#include "engine/data/source.h"
#include "engine/generate/generation.h"
#include "engine/release/release.h"
#include "engine/train/plan.h"
#include "engine/train/private/private_session.h"
#include "engine/train/session.h"

namespace velamen::ui {

/// What the names and the table of a source suggest, without a look at any image.
struct KeySuggestion {
    data::Keys keys;                  ///< unit "file": nothing that looks like a patient
    std::string unit = "image";       ///< what keys.unit tells apart
    std::vector<std::string> columns; ///< of metadata.csv; empty without one
};

/// How many parameters a selection trains.
struct SelectionCount {
    std::int64_t trained = 0;
    std::int64_t total = 0; ///< of the UNet and the conditioner
};

/// A public checkpoint that comes with Velamen.
struct BuiltInCheckpoint {
    std::string name; ///< "Letters: 32 px, grey, by class"
    std::filesystem::path folder;
};

struct Services {
    std::function<Result<data::Manifest>(
        const std::filesystem::path& source, const data::Keys& keys, const std::string& unit,
        std::stop_token, std::function<void(std::int64_t, std::int64_t)>)>
        scan;
    std::function<Result<KeySuggestion>(const std::filesystem::path& source)> suggestKeys;
    /// A private thumbnail, `size` pixels square.
    std::function<Result<image::Image>(const std::filesystem::path& source, const std::string& name,
                                       int size)>
        thumbnail;
    std::function<Result<checkpoint::Inspection>(const std::filesystem::path& checkpoint,
                                                 const std::string& selection,
                                                 bool trainsConditioner)>
        inspect;
    /// Writes a checkpoint again; Cancelled after a stop, with nothing left behind.
    std::function<Result<std::vector<std::string>>(const checkpoint::ConvertRequest&,
                                                   std::stop_token)>
        convert;
    /// InvalidArgument when the checkpoint has nothing of that selection.
    std::function<Result<SelectionCount>(const std::filesystem::path& checkpoint,
                                         const std::string& selection, bool trainsConditioner)>
        countSelection;
    std::function<Result<train::TrainingPlan>(const train::PlanRequest&)> makePlan;
    std::function<Result<train::Forecast>(const train::TrainingPlan&, bool measured)> forecast;
    std::function<Result<std::unique_ptr<train::TrainingSession>>(
        const train::TrainingPlan&, const std::filesystem::path& runFolder)>
        startRun;
    std::function<Result<std::unique_ptr<train::TrainingSession>>(
        const std::filesystem::path& runFolder)>
        resumeRun;
    std::function<Result<std::unique_ptr<generate::GenerationSession>>(
        const std::filesystem::path& checkpoint)>
        openGeneration;
    /// Gathers plan, ledger and fingerprints of the run and writes the zip.
    std::function<Result<release::ReleaseSummary>(
        const std::filesystem::path& runFolder, std::vector<release::ReleaseImage> images,
        const std::filesystem::path& zip, std::stop_token)>
        writeRelease;
    std::function<Result<release::Verification>(const std::filesystem::path& zip)> verify;
    /// Ledger entries of the dataset, empty when it has none yet.
    std::function<Result<std::vector<privacy::LedgerEntry>>(const std::filesystem::path& source)>
        ledgerOf;
    /// What an earlier run says of itself, and its plan.
    std::function<Result<train::RunRecord>(const std::filesystem::path& runFolder)> readRun;
    std::function<Result<train::TrainingPlan>(const std::filesystem::path& runFolder)> readPlan;

    std::filesystem::path demoCheckpoint;   ///< embedded public checkpoint
    std::vector<BuiltInCheckpoint> builtIn; ///< all of them
    std::filesystem::path demoSource;       ///< digits.zip
};

} // namespace velamen::ui
