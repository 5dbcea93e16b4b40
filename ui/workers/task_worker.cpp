// SPDX-License-Identifier: GPL-3.0-or-later
//
// At most one thread: a newer job waits until the cancelled one has returned.

#include "ui/workers/task_worker.h"

#include <utility>

#include <QTimer>

namespace velamen::ui {

namespace {
constexpr int kReportMilliseconds = 100;
} // namespace

TaskWorker::TaskWorker(QObject* parent) : Worker(parent) {}

TaskWorker::~TaskWorker()
{
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
}

void TaskWorker::enqueue(std::unique_ptr<Job> job)
{
    next_ = std::move(job);
    if (running_) {
        running_->isDropped = true;
        thread_.request_stop();
    } else {
        launch();
    }
}

void TaskWorker::launch()
{
    running_ = std::move(next_);
    {
        const std::lock_guard lock(shared_.mutex);
        shared_.isFinished = false;
        shared_.progress.reset();
    }
    sinceReport_.invalidate();
    thread_ = std::jthread([this, job = running_.get()](std::stop_token stop) {
        job->run(std::move(stop), [this](std::int64_t done, std::int64_t total) {
            {
                const std::lock_guard lock(shared_.mutex);
                shared_.progress = std::pair{done, total};
            }
            wake();
        });
        {
            const std::lock_guard lock(shared_.mutex);
            shared_.isFinished = true;
        }
        wake();
    });
}

void TaskWorker::cancel()
{
    next_.reset();
    if (running_) {
        running_->isDropped = true;
        thread_.request_stop();
    }
}

bool TaskWorker::isBusy() const { return next_ || (running_ && !running_->isDropped); }

void TaskWorker::woken()
{
    bool isFinished = false;
    std::optional<std::pair<std::int64_t, std::int64_t>> progress;
    {
        const std::lock_guard lock(shared_.mutex);
        isFinished = shared_.isFinished;
        const bool isDue = !sinceReport_.isValid() || sinceReport_.elapsed() >= kReportMilliseconds;
        if (isFinished || isDue) progress = std::exchange(shared_.progress, std::nullopt);
    }
    const QPointer<TaskWorker> self(this);
    if (progress && running_ && !running_->isDropped) {
        sinceReport_.start();
        Q_EMIT progressed(progress->first, progress->second);
        if (!self) return;
    }
    if (!isFinished || !running_) return;
    thread_.join(); // it has nothing left to do
    const auto job = std::move(running_);
    if (next_) launch();
    if (!job->isDropped && job->context) job->deliver(); // may destroy this worker
}

} // namespace velamen::ui
