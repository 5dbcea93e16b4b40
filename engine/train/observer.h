// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a session tells while it runs: protected and public values only. Called from the session's
// thread; receivers copy and return at once.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/image/image.h"

namespace velamen::train {

enum class Phase {
    Preparing,
    Scanning,
    Encoding,
    Calibrating,
    WarmStart,
    Training,
    Sampling,
    Saving,
    Paused,
    Done
};

/// "preparing", "encoding", ... for JSON lines and status texts.
const char* name_of(Phase phase) noexcept;

struct Progress {
    Phase phase = Phase::Preparing;
    std::int64_t done = 0;        ///< of this phase; optimiser steps when Training
    std::int64_t total = 0;       ///< 0: unknown
    double epsilon = 0.0;         ///< spent by this run (PLD); 0 in public training
    double epsilon_limit = 0.0;   ///< 0 in public training
    double rows_per_second = 0.0; ///< averaged over the run so far, never one step
    double seconds_left = 0.0;    ///< 0: unknown
    std::int64_t micro_batch = 0;
    double peak_gigabytes = 0.0; ///< of the process; for the window, never written
    std::string note;            ///< one line for the event log, empty when nothing is new
};

/// One point of the protected curves.
struct StepPoint {
    std::int64_t step = 0; ///< 1-based
    double epsilon = 0.0;
    std::optional<double>
        noised_loss; ///< released jointly with the gradient; public loss in pretrain
    std::optional<double> noised_clipped_fraction; ///< released jointly with the gradient
    double noised_gradient_norm = 0.0;             ///< of the released gradient
    double learning_rate = 0.0;
};

/// Fixed-seed previews drawn from the averaged weights: one image a class (or a few), always in the
/// same order.
struct SampleRow {
    std::int64_t step = 0;
    std::vector<std::string> labels;
    std::vector<image::Image> images;
};

/// Which public classes the new ones begin as: what the released votes say. Public.
struct ClassMapping {
    struct Part {
        std::string from; ///< public class
        double share;     ///< of the row; they sum to 1
    };
    struct Row {
        std::string name;        ///< new class
        std::vector<Part> parts; ///< largest first; empty: no public class stood out
    };
    std::vector<Row> rows; ///< in the order of class indices
};

class TrainingObserver {
public:
    virtual ~TrainingObserver() = default;
    virtual void on_progress(const Progress& progress) = 0;
    virtual void on_step(const StepPoint& point) = 0;
    virtual void on_samples(const SampleRow& row) = 0;
    /// Before the first step of each attempt of a run with class votes.
    virtual void on_class_mapping(const ClassMapping&) {}
};

} // namespace velamen::train
