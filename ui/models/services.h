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

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/result.h"
#include "engine/data/source.h"
#include "engine/generate/generation.h"
#include "engine/release/release.h"
#include "engine/train/plan.h"
#include "engine/train/private/private_session.h"
#include "engine/train/session.h"

namespace velamen::ui {

struct Services {
    std::function<Result<data::Manifest>(const std::filesystem::path& source, std::stop_token,
                                         std::function<void(std::int64_t, std::int64_t)>)>
        scan;
    /// A private thumbnail, `size` pixels square.
    std::function<Result<image::Image>(const std::filesystem::path& source, const std::string& name,
                                       int size)>
        thumbnail;
    std::function<Result<checkpoint::Inspection>(const std::filesystem::path& checkpoint,
                                                 const std::string& selection)>
        inspect;
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

    std::filesystem::path demoCheckpoint; ///< embedded public checkpoint
    std::filesystem::path demoSource;     ///< digits.zip
};

} // namespace velamen::ui
