// SPDX-License-Identifier: GPL-3.0-or-later
//
// A private folder and a public checkpoint small enough to train in a test.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/train/observer.h"
#include "engine/train/plan.h"

namespace velamen::test {

/// A name that must never turn up in anything that leaves a run.
inline constexpr const char* kCanary = "CANARY-miller-1957";

/// Writes `count` grey 8x8 PNG files, alternating between the folders "a" and "b"; every name holds
/// the canary.
void write_private_folder(const std::filesystem::path& folder, int count);

/// A diffusers-layout checkpoint with a few thousand parameters, classes x, y, z.
Result<> write_tiny_checkpoint(const std::filesystem::path& folder);

/// A plan for both: epsilon 8, 6 steps of about 40 units.
train::TrainingPlan tiny_plan(const std::filesystem::path& checkpoint,
                              const std::filesystem::path& source, int units);

/// Keeps everything it is told.
class Recorder : public train::TrainingObserver {
public:
    void on_progress(const train::Progress& progress) override { progresses.push_back(progress); }
    void on_step(const train::StepPoint& point) override { points.push_back(point); }
    void on_samples(const train::SampleRow& row) override { rows.push_back(row); }

    std::vector<train::Progress> progresses;
    std::vector<train::StepPoint> points;
    std::vector<train::SampleRow> rows;
};

} // namespace velamen::test
