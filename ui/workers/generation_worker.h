// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sampling from one checkpoint on its own thread, for windows. The session is opened at the first
// request and kept. Not the sampler: that is engine/generate.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <QElapsedTimer>
#include <QTimer>

#include "engine/core/result.h"
#include "engine/generate/generation.h"
#include "ui/workers/worker.h"

namespace velamen::ui {

/// One request at a time. All methods belong to the GUI thread; signals come on it, at most 10
/// times a second; destruction cancels and waits.
class GenerationWorker final : public Worker {
    Q_OBJECT

public:
    /// Called on the worker's thread.
    using Maker = std::function<Result<std::unique_ptr<generate::GenerationSession>>()>;

    explicit GenerationWorker(Maker maker, QObject* parent = nullptr);
    ~GenerationWorker() override;

    /// False, and nothing is started, while a request is in progress.
    bool start(const generate::GenerationRequest& request);
    /// Ends in failed(Cancelled); images given so far stay valid.
    void cancel();
    bool isRunning() const { return isRunning_; }

Q_SIGNALS:
    void progressed(double done, double total);
    void generated(const std::vector<velamen::generate::GeneratedImage>& images);
    /// How images that are not done look on their way; the latest alone.
    void drafted(const velamen::generate::Draft& draft);
    /// Sentences about prompts that are too long, before the first image.
    void noted(const std::vector<std::string>& notes);
    void finished();
    void failed(const velamen::Error& error);

private:
    struct Reports {
        std::optional<std::pair<double, double>> progress;
        std::vector<generate::GeneratedImage> images;
        std::optional<generate::Draft> draft;
        std::vector<std::string> notes;
        std::optional<Result<>> outcome;
    };

    Result<> run(const generate::GenerationRequest& request, std::stop_token stop) noexcept;
    void woken() override;
    void flush();

    Maker maker_;
    std::unique_ptr<generate::GenerationSession> session_; // touched by the running thread only
    std::mutex mutex_;
    Reports reports_; // guarded by mutex_
    QTimer flushTimer_;
    QElapsedTimer sinceFlush_;
    bool isRunning_ = false;
    std::jthread thread_; // last member: joined before anything it uses is gone
};

} // namespace velamen::ui
