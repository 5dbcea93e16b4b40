// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reports are gathered under a mutex on the session's thread and given out on the GUI thread.

#include "ui/workers/training_worker.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include <QPointer>

namespace velamen::ui {

namespace {

constexpr int kFlushMilliseconds = 100;

Result<> outcomeOf(const TrainingWorker::Maker& maker, std::stop_token stop,
                   train::Mailbox& mailbox, train::TrainingObserver& observer) noexcept
{
    try {
        VELAMEN_ASSIGN(const auto session, maker());
        if (stop.stop_requested())
            return fail(ErrorCode::Cancelled, "The run was stopped before its first step.");
        return session->run(std::move(stop), mailbox, observer);
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "There is not enough memory to prepare the run.",
                    "Close other programs or choose a smaller batch.");
    } catch (const std::exception& problem) {
        return fail(ErrorCode::Internal, problem.what());
    }
}

} // namespace

TrainingWorker::TrainingWorker(Maker maker, QObject* parent)
    : Worker(parent), maker_(std::move(maker))
{
    flushTimer_.setSingleShot(true);
    connect(&flushTimer_, &QTimer::timeout, this, &TrainingWorker::flush);
}

TrainingWorker::TrainingWorker(std::unique_ptr<train::TrainingSession> session, QObject* parent)
    : TrainingWorker(
        [shared = std::make_shared<std::unique_ptr<train::TrainingSession>>(std::move(session))]()
            -> Result<std::unique_ptr<train::TrainingSession>> { return std::move(*shared); },
        parent)
{
}

TrainingWorker::~TrainingWorker()
{
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
}

void TrainingWorker::start()
{
    Q_ASSERT(!thread_.joinable() && !isRunning_);
    isRunning_ = true;
    thread_ = std::jthread([this](std::stop_token stop) {
        auto outcome = outcomeOf(maker_, std::move(stop), mailbox_, *this);
        {
            const std::lock_guard lock(mutex_);
            reports_.outcome = std::move(outcome);
        }
        wake();
    });
}

void TrainingWorker::pause()
{
    ask(Command::Pause);
    if (isRunning_) mailbox_.pause();
}

void TrainingWorker::resume()
{
    ask(Command::Resume);
    if (isRunning_) mailbox_.resume();
}

void TrainingWorker::sampleNow()
{
    ask(Command::SampleNow);
    if (isRunning_) mailbox_.sample_now();
}

void TrainingWorker::requestStop()
{
    ask(Command::Stop);
    thread_.request_stop();
}

void TrainingWorker::ask(Command command)
{
    if (!isRunning_) {
        Q_EMIT answered(command, false, tr("There is no run in progress."));
        return;
    }
    // Pause and resume are opposites: the newer one settles the older.
    if (command == Command::Pause) answer(Command::Resume, false, tr("The run was paused again."));
    if (command == Command::Resume) answer(Command::Pause, false, tr("The run was told to go on."));
    if (std::ranges::find(open_, command) == open_.end()) open_.push_back(command);
    if (command == Command::Resume) { // answered by the first report after now
        const std::lock_guard lock(mutex_);
        reports_.hasContinued = false;
    }
}

void TrainingWorker::answer(Command command, bool isAccepted, const QString& reason)
{
    const auto found = std::ranges::find(open_, command);
    if (found == open_.end()) return;
    open_.erase(found);
    Q_EMIT answered(command, isAccepted, reason);
}

void TrainingWorker::on_progress(const train::Progress& progress)
{
    {
        const std::lock_guard lock(mutex_);
        if (!progress.note.empty()) reports_.notes.push_back(QString::fromStdString(progress.note));
        if (progress.phase == train::Phase::Paused)
            reports_.hasPaused = true;
        else
            reports_.hasContinued = true;
        reports_.progress = progress;
    }
    wake();
}

void TrainingWorker::on_step(const train::StepPoint& point)
{
    {
        const std::lock_guard lock(mutex_);
        reports_.points.push_back(point);
    }
    wake();
}

void TrainingWorker::on_samples(const train::SampleRow& row)
{
    {
        const std::lock_guard lock(mutex_);
        reports_.rows.push_back(row);
    }
    wake();
}

void TrainingWorker::on_class_mapping(const train::ClassMapping& mapping)
{
    {
        const std::lock_guard lock(mutex_);
        reports_.mapping = mapping;
    }
    wake();
}

void TrainingWorker::woken()
{
    if (flushTimer_.isActive()) return;
    const qint64 elapsed = sinceFlush_.isValid() ? sinceFlush_.elapsed() : kFlushMilliseconds;
    if (elapsed >= kFlushMilliseconds)
        flush();
    else
        flushTimer_.start(static_cast<int>(kFlushMilliseconds - elapsed));
}

void TrainingWorker::flush()
{
    sinceFlush_.start();
    Reports reports;
    {
        const std::lock_guard lock(mutex_);
        reports = std::exchange(reports_, Reports{});
    }
    const QPointer<TrainingWorker> self(this); // receivers may delete the worker
    if (reports.mapping) Q_EMIT classesMapped(*reports.mapping);
    if (self && !reports.points.empty()) Q_EMIT stepped(reports.points);
    for (const auto& row : reports.rows) {
        if (!self) return;
        answer(Command::SampleNow, true);
        Q_EMIT sampled(row);
    }
    if (self && reports.hasPaused) answer(Command::Pause, true);
    if (self && reports.hasContinued) answer(Command::Resume, true);
    if (self && reports.progress) Q_EMIT progressed(*reports.progress);
    for (const auto& note : reports.notes)
        if (self) Q_EMIT noted(note);
    if (!self || !reports.outcome) return;

    thread_.join(); // it has nothing left to do
    isRunning_ = false;
    answer(Command::Stop, true);
    for (const Command command : {Command::Pause, Command::Resume, Command::SampleNow})
        if (self) answer(command, false, tr("The run ended first."));
    if (!self) return;
    if (*reports.outcome)
        Q_EMIT finished();
    else
        Q_EMIT failed(reports.outcome->error());
}

} // namespace velamen::ui
