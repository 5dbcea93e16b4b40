// SPDX-License-Identifier: GPL-3.0-or-later
//
// A private folder and a public checkpoint small enough to train in a test.

#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <stop_token>
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

/// Writes the images of `patients` patients, 1 to 4 each (so 2.5 on average), into one flat folder
/// with a metadata.csv (file_name, kind, patient), kinds "round" and "square"; names of files and
/// patients hold the canary. How many images there are.
int write_patient_folder(const std::filesystem::path& folder, int patients);
std::string patient_name(int patient);
/// Names of its images.
std::set<std::string> patient_images(const std::filesystem::path& folder);

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

/// Requests a stop from step `at` on.
class StoppingRecorder final : public Recorder {
public:
    explicit StoppingRecorder(std::int64_t at = 1) : at_(at) {}
    void on_step(const train::StepPoint& point) override
    {
        Recorder::on_step(point);
        if (point.step >= at_) source.request_stop();
    }
    std::stop_source source;

private:
    std::int64_t at_;
};

} // namespace velamen::test
