// SPDX-License-Identifier: GPL-3.0-or-later
//
// A private run: scan, encode once, then DP-SGD on the selected tensors until the plan's steps are
// done or the budget would be exceeded.

#pragma once

#include <filesystem>
#include <memory>

#include "engine/core/result.h"
#include "engine/train/plan.h"
#include "engine/train/session.h"

namespace velamen::train {

/// Starts a new run in `run_folder` (created; holds plan.json, events.jsonl, checkpoints/,
/// samples/). `ledgers`: root of the ledger store, empty for the user's own.
Result<std::unique_ptr<TrainingSession>>
start_private_run(const TrainingPlan& plan, const std::filesystem::path& run_folder,
                  const std::filesystem::path& ledgers = {});

/// Goes on where the last saved state is. Reserved steps stay spent; keys are fresh. Refused when
/// the dataset, plan or base checkpoint is another one or the ledger was rolled back.
Result<std::unique_ptr<TrainingSession>>
resume_private_run(const std::filesystem::path& run_folder,
                   const std::filesystem::path& ledgers = {});

/// What a finished or interrupted run says of itself: runs/<id>/run.json.
struct RunRecord {
    std::string id;
    std::string state; ///< "running", "paused", "done", "failed"
    std::int64_t step = 0;
    double epsilon = 0.0; ///< spent, PLD
    double epsilon_rdp = 0.0;
    std::filesystem::path checkpoint; ///< tuned checkpoint folder, empty before the first save
    std::int64_t ledger_seq = -1;
    std::string ledger_hash;
    std::string ledger_id;
};
Result<RunRecord> read_run(const std::filesystem::path& run_folder);

} // namespace velamen::train
