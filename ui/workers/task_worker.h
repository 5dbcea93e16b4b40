// SPDX-License-Identifier: GPL-3.0-or-later
//
// One slow call at a time off the GUI thread: scanning, inspecting, planning, releasing. The newest
// job wins. Not for training and sampling, which talk while they run (training_worker.h).

#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <thread>

#include <QElapsedTimer>
#include <QPointer>

#include "engine/core/result.h"
#include "ui/workers/worker.h"

namespace velamen::ui {

/// All methods belong to the GUI thread; destruction stops the job and waits for it.
class TaskWorker final : public Worker {
    Q_OBJECT

public:
    /// Called by a job from its thread; arrives as progressed(), at most 10 times a second.
    using Report = std::function<void(std::int64_t done, std::int64_t total)>;

    explicit TaskWorker(QObject* parent = nullptr);
    ~TaskWorker() override;

    /// Runs `job` and then calls `done` on the GUI thread, if `context` is still there. A job that
    /// is running or waiting is cancelled first and its result dropped.
    template <class T>
    void start(QObject* context, std::function<Result<T>(std::stop_token, const Report&)> job,
               std::function<void(Result<T>)> done)
    {
        enqueue(std::make_unique<TypedJob<T>>(context, std::move(job), std::move(done)));
    }

    /// Drops the running and the waiting job; their `done` is never called.
    void cancel();
    /// True from start() until `done` was called or cancel().
    bool isBusy() const;

Q_SIGNALS:
    void progressed(qint64 done, qint64 total);

private:
    struct Job {
        explicit Job(QObject* owner) : context(owner) {}
        virtual ~Job() = default;
        virtual void run(std::stop_token stop, const Report& report) noexcept = 0;
        virtual void deliver() = 0;
        QPointer<QObject> context; // GUI thread only
        bool isDropped = false;    // GUI thread only
    };

    template <class T>
    struct TypedJob final : Job {
        TypedJob(QObject* owner, std::function<Result<T>(std::stop_token, const Report&)> work,
                 std::function<void(Result<T>)> receiver)
            : Job(owner), job(std::move(work)), done(std::move(receiver))
        {
        }
        void run(std::stop_token stop, const Report& report) noexcept override
        {
            try {
                result.emplace(job(std::move(stop), report));
            } catch (const std::bad_alloc&) {
                result.emplace(fail(ErrorCode::OutOfMemory, "There is not enough memory.",
                                    "Close other programs and try again."));
            } catch (const std::exception& problem) {
                result.emplace(fail(ErrorCode::Internal, problem.what()));
            }
        }
        void deliver() override { done(std::move(*result)); }

        std::function<Result<T>(std::stop_token, const Report&)> job;
        std::function<void(Result<T>)> done;
        std::optional<Result<T>> result;
    };

    void enqueue(std::unique_ptr<Job> job);
    void launch();
    void woken() override;

    struct Shared {
        std::mutex mutex;
        bool isFinished = false;
        std::optional<std::pair<std::int64_t, std::int64_t>> progress;
    };
    Shared shared_;
    QElapsedTimer sinceReport_;
    std::unique_ptr<Job> running_;
    std::unique_ptr<Job> next_;
    std::jthread thread_; // last member: joined before anything it uses is gone
};

} // namespace velamen::ui
