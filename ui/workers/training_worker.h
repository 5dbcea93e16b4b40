// SPDX-License-Identifier: GPL-3.0-or-later
//
// A training session on its own thread, for windows. Not the training itself: that is
// engine/train; not the run's state: that is ui/models.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <QElapsedTimer>
#include <QString>
#include <QTimer>

#include "engine/core/result.h"
#include "engine/train/mailbox.h"
#include "engine/train/observer.h"
#include "engine/train/session.h"
#include "ui/workers/worker.h"

namespace velamen::ui {

/// Runs one training session off the GUI thread and reports by signals on the GUI thread, at most
/// 10 times a second. All methods belong to the GUI thread; destruction stops the run and waits.
class TrainingWorker final : public Worker, private train::TrainingObserver {
    Q_OBJECT

public:
    enum class Command { Pause, Resume, SampleNow, Stop };
    Q_ENUM(Command)
    /// Called on the worker's thread: building a session loads a checkpoint.
    using Maker = std::function<Result<std::unique_ptr<train::TrainingSession>>()>;

    explicit TrainingWorker(Maker maker, QObject* parent = nullptr);
    explicit TrainingWorker(std::unique_ptr<train::TrainingSession> session,
                            QObject* parent = nullptr);
    ~TrainingWorker() override;

    /// Once.
    void start();
    bool isRunning() const { return isRunning_; }

    // Every command is answered: by `answered`, at the latest when the run ends.
    void pause();
    void resume();
    void sampleNow();
    void requestStop();

Q_SIGNALS:
    void progressed(const velamen::train::Progress& progress);
    /// A line for the event log; none is lost when reports are merged.
    void noted(const QString& note);
    void stepped(const std::vector<velamen::train::StepPoint>& points);
    void sampled(const velamen::train::SampleRow& row);
    void classesMapped(const velamen::train::ClassMapping& mapping);
    void answered(velamen::ui::TrainingWorker::Command command, bool isAccepted,
                  const QString& reason);
    void finished();
    /// Also a stopped run: ErrorCode::Cancelled.
    void failed(const velamen::Error& error);

private:
    struct Reports {
        std::optional<train::Progress> progress;
        bool hasPaused = false;    ///< a Paused report came since the last flush
        bool hasContinued = false; ///< a report of work came after it
        std::vector<QString> notes;
        std::vector<train::StepPoint> points;
        std::vector<train::SampleRow> rows;
        std::optional<train::ClassMapping> mapping;
        std::optional<Result<>> outcome;
    };

    void on_progress(const train::Progress& progress) override;
    void on_step(const train::StepPoint& point) override;
    void on_samples(const train::SampleRow& row) override;
    void on_class_mapping(const train::ClassMapping& mapping) override;

    void ask(Command command);
    void answer(Command command, bool isAccepted, const QString& reason = {});
    void woken() override;
    void flush();

    Maker maker_;
    train::Mailbox mailbox_; // read by the session between micro-batches
    std::mutex mutex_;
    Reports reports_; // guarded by mutex_
    QTimer flushTimer_;
    QElapsedTimer sinceFlush_;
    std::vector<Command> open_; // asked, not answered yet
    bool isRunning_ = false;
    std::jthread thread_; // last member: joined before anything it uses is gone
};

} // namespace velamen::ui
