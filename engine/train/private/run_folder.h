// SPDX-License-Identifier: GPL-3.0-or-later
//
// The files of one private run: plan.json, run.json, events.jsonl, checkpoints/. Protected and
// public values only; whole after a crash at any moment.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/core/file.h"
#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/train/observer.h"
#include "engine/train/plan.h"
#include "engine/train/private/private_session.h"

namespace velamen::train {

/// run.json: what resume needs to know beside the plan. Extends the public RunRecord.
struct RunState {
    RunRecord record;
    std::int64_t attempt = 0;
    std::string base_sha256; ///< fingerprint of the base checkpoint
    std::string plan_sha256; ///< of plan.json's bytes
    std::string dataset;     ///< fingerprint of what is trained on; empty before the first attempt
    std::string state_file;  ///< relative; optimiser state to resume from, empty before the first
    std::string state_sha256;
};

/// One thread; locked while it lives.
class RunFolder {
public:
    /// Creates the folder with plan.json and run.json (state "running", attempt 0).
    static Result<RunFolder> create(const std::filesystem::path& folder, const TrainingPlan& plan,
                                    const std::string& base_sha256);
    /// Busy when the run is going on in another program; Corrupt by name of the file.
    static Result<RunFolder> open(const std::filesystem::path& folder);

    const std::filesystem::path& path() const noexcept { return path_; }
    const TrainingPlan& plan() const noexcept { return plan_; }
    RunState& state() noexcept { return state_; }

    /// run.json, atomically.
    Result<> save();
    /// One line of events.jsonl.
    Result<> log(const io::Json& event);
    Result<> log(const StepPoint& point);
    /// Removes state files of earlier steps; failures are harmless.
    void drop_old_states() const noexcept;

private:
    RunFolder(std::filesystem::path path, core::FileLock lock, core::AppendFile events)
        : path_(std::move(path)), lock_(std::move(lock)), events_(std::move(events))
    {
    }
    std::filesystem::path path_;
    core::FileLock lock_;
    core::AppendFile events_;
    TrainingPlan plan_;
    RunState state_;
};

} // namespace velamen::train
