// SPDX-License-Identifier: GPL-3.0-or-later
//
// Images are gathered under a mutex on the sampler's thread and given out on the GUI thread.

#include "ui/workers/generation_worker.h"

#include <exception>
#include <new>
#include <utility>

#include <QPointer>

namespace velamen::ui {

namespace {
constexpr int kFlushMilliseconds = 100;
} // namespace

GenerationWorker::GenerationWorker(Maker maker, QObject* parent)
    : Worker(parent), maker_(std::move(maker))
{
    flushTimer_.setSingleShot(true);
    connect(&flushTimer_, &QTimer::timeout, this, &GenerationWorker::flush);
}

GenerationWorker::~GenerationWorker()
{
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
}

bool GenerationWorker::start(const generate::GenerationRequest& request)
{
    if (isRunning_) return false;
    isRunning_ = true;
    thread_ = std::jthread([this, request](std::stop_token stop) {
        auto outcome = run(request, std::move(stop));
        {
            const std::lock_guard lock(mutex_);
            reports_.outcome = std::move(outcome);
        }
        wake();
    });
    return true;
}

void GenerationWorker::cancel() { thread_.request_stop(); }

Result<> GenerationWorker::run(const generate::GenerationRequest& request,
                               std::stop_token stop) noexcept
{
    try {
        if (!session_) {
            VELAMEN_ASSIGN(session_, maker_());
        }
        if (!request.prompts.empty()) {
            std::vector<std::string> prompts = request.prompts;
            prompts.push_back(request.negative);
            VELAMEN_ASSIGN(auto notes, session_->prompt_notes(prompts));
            const std::lock_guard lock(mutex_);
            reports_.notes = std::move(notes);
        }
        const auto receive = [this](const generate::GeneratedImage& image) {
            {
                const std::lock_guard lock(mutex_);
                reports_.images.push_back(image);
                reports_.draft.reset(); // it was of this image
            }
            wake();
        };
        const auto report = [this](double done, double total) {
            {
                const std::lock_guard lock(mutex_);
                reports_.progress = std::pair{done, total};
            }
            wake();
        };
        const auto draft = [this](const generate::Draft& latest) {
            {
                const std::lock_guard lock(mutex_);
                reports_.draft = latest;
            }
            wake();
        };
        return session_->run(request, std::move(stop), receive, report, draft);
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "There is not enough memory to draw these images.",
                    "Ask for fewer images at once.");
    } catch (const std::exception& problem) {
        return fail(ErrorCode::Internal, problem.what());
    }
}

void GenerationWorker::woken()
{
    if (flushTimer_.isActive()) return;
    const qint64 elapsed = sinceFlush_.isValid() ? sinceFlush_.elapsed() : kFlushMilliseconds;
    if (elapsed >= kFlushMilliseconds)
        flush();
    else
        flushTimer_.start(static_cast<int>(kFlushMilliseconds - elapsed));
}

void GenerationWorker::flush()
{
    sinceFlush_.start();
    Reports reports;
    {
        const std::lock_guard lock(mutex_);
        reports = std::exchange(reports_, Reports{});
    }
    const QPointer<GenerationWorker> self(this); // receivers may delete the worker
    if (!reports.notes.empty()) Q_EMIT noted(reports.notes);
    if (!self) return;
    if (!reports.images.empty()) Q_EMIT generated(reports.images);
    if (self && reports.draft) Q_EMIT drafted(*reports.draft);
    if (self && reports.progress)
        Q_EMIT progressed(reports.progress->first, reports.progress->second);
    if (!self || !reports.outcome) return;
    thread_.join(); // it has nothing left to do
    isRunning_ = false;
    if (*reports.outcome)
        Q_EMIT finished();
    else
        Q_EMIT failed(reports.outcome->error());
}

} // namespace velamen::ui
