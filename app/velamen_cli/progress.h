// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a long command shows while it works: a bar on a terminal, a line now and then in a log, JSON
// lines for scripts. Ctrl+C asks for a safe stop.

#pragma once

#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string>

#include "app/velamen_cli/output.h"
#include "engine/train/observer.h"

namespace velamen::app {

/// A stop_token that SIGINT and SIGTERM trigger. Create one per process, before any thread.
class InterruptGuard {
public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;
    std::stop_token token() const;
};

/// One labelled bar. On a terminal it redraws in place, else it prints every tenth part.
class Bar {
public:
    Bar(const Output& output, std::string label);
    ~Bar();
    Bar(const Bar&) = delete;
    Bar& operator=(const Bar&) = delete;
    void update(double done, double total, const std::string& note = {});
    /// Leaves the bar as a finished line.
    void finish(const std::string& note = {});

private:
    const Output& output_;
    std::string label_;
    std::chrono::steady_clock::time_point start_;
    std::chrono::steady_clock::time_point drawn_;
    int tenths_ = -1;
    bool open_ = false;
};

/// Shows a training session; optionally keeps the preview rows as a PNG.
class ConsoleObserver final : public train::TrainingObserver {
public:
    explicit ConsoleObserver(const Output& output, std::filesystem::path samplesPng = {});
    ~ConsoleObserver() override;

    void on_progress(const train::Progress& progress) override;
    void on_step(const train::StepPoint& point) override;
    void on_samples(const train::SampleRow& row) override;

    /// Average over the training phase so far.
    double secondsPerStep() const;
    const train::StepPoint& lastPoint() const { return last_; }

private:
    const Output& output_;
    std::filesystem::path samplesPng_;
    std::vector<std::vector<image::Image>> rows_;
    std::unique_ptr<Bar> bar_;
    train::Phase phase_ = train::Phase::Done;
    train::StepPoint last_;
    std::chrono::steady_clock::time_point firstStep_;
    std::chrono::steady_clock::time_point lastStep_;
    std::int64_t steps_ = 0;
};

} // namespace velamen::app
