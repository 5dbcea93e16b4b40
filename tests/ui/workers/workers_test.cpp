// SPDX-License-Identifier: GPL-3.0-or-later
//
// The workers against sessions without torch. Oracle: what the session says it did, and the rule
// that everything arrives on the GUI thread. Built with the thread sanitizer as well.

#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>

#include <QCoreApplication>
#include <QElapsedTimer>
#include <QEventLoop>
#include <QThread>
#include <QTimer>
#include <gtest/gtest.h>

#include "ui/workers/generation_worker.h"
#include "ui/workers/task_worker.h"
#include "ui/workers/training_worker.h"

namespace velamen::ui {
namespace {

using namespace std::chrono_literals;

/// Runs the event loop until `done` or 10 seconds have passed.
bool waitFor(const std::function<bool()>& done)
{
    QElapsedTimer clock;
    clock.start();
    while (!done() && clock.elapsed() < 10'000) {
        QCoreApplication::processEvents(QEventLoop::AllEvents, 20);
        std::this_thread::sleep_for(1ms);
    }
    return done();
}

void spinFor(int milliseconds)
{
    QElapsedTimer clock;
    clock.start();
    waitFor([&] { return clock.elapsed() >= milliseconds; });
}

struct SessionLog {
    std::atomic<std::int64_t> steps{0};
    std::atomic<bool> isDestroyed{false};
};

/// Steps until stopped or `limit`; looks into the mailbox as the real one does.
class FakeSession final : public train::TrainingSession {
public:
    FakeSession(SessionLog& log, std::int64_t limit, std::chrono::microseconds pace)
        : log_(log), limit_(limit), pace_(pace)
    {
    }
    ~FakeSession() override { log_.isDestroyed = true; }

    Result<> run(std::stop_token stop, train::Mailbox& mailbox,
                 train::TrainingObserver& observer) noexcept override
    {
        train::Progress progress;
        progress.phase = train::Phase::Training;
        observer.on_class_mapping({{{"0", {{"o", 1.0}}}}});
        for (std::int64_t step = 1; step <= limit_; ++step) {
            if (mailbox.is_pause_wanted()) {
                progress.phase = train::Phase::Paused;
                observer.on_progress(progress);
                mailbox.wait_while_paused(stop);
                progress.phase = train::Phase::Training;
            }
            if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Stopped.");
            if (mailbox.take_sample_now()) observer.on_samples({step, {"0"}, {image::Image{}}});
            std::this_thread::sleep_for(pace_);
            ++log_.steps;
            progress.done = step;
            progress.note = step % 100 == 0 ? "step " + std::to_string(step) : std::string();
            observer.on_step({step, 0.1, 0.5, 0.0, 0.0});
            observer.on_progress(progress);
        }
        return {};
    }

private:
    SessionLog& log_;
    std::int64_t limit_;
    std::chrono::microseconds pace_;
};

struct WatchedRun {
    explicit WatchedRun(std::int64_t limit, std::chrono::microseconds pace = 100us)
        : worker(std::make_unique<TrainingWorker>(std::make_unique<FakeSession>(log, limit, pace)))
    {
        QObject::connect(worker.get(), &TrainingWorker::progressed, &context,
                         [this](const train::Progress& report) {
                             ++reports;
                             last = report;
                             isOnGuiThread &= QThread::currentThread() == context.thread();
                         });
        QObject::connect(worker.get(), &TrainingWorker::stepped, &context,
                         [this](const std::vector<train::StepPoint>& more) {
                             points.insert(points.end(), more.begin(), more.end());
                         });
        QObject::connect(worker.get(), &TrainingWorker::sampled, &context,
                         [this](const train::SampleRow&) { ++rows; });
        QObject::connect(worker.get(), &TrainingWorker::classesMapped, &context,
                         [this](const train::ClassMapping& found) {
                             mapping = found;
                             pointsAtMapping = points.size();
                         });
        QObject::connect(worker.get(), &TrainingWorker::noted, &context,
                         [this](const QString& note) { notes << note; });
        QObject::connect(worker.get(), &TrainingWorker::answered, &context,
                         [this](TrainingWorker::Command command, bool isAccepted, const QString&) {
                             answers.emplace_back(command, isAccepted);
                         });
        QObject::connect(worker.get(), &TrainingWorker::finished, &context,
                         [this] { isFinished = true; });
        QObject::connect(worker.get(), &TrainingWorker::failed, &context,
                         [this](const Error& problem) { error = problem; });
    }

    SessionLog log;
    QObject context;
    int reports = 0;
    int rows = 0;
    bool isOnGuiThread = true;
    bool isFinished = false;
    std::optional<Error> error;
    train::Progress last;
    std::vector<train::StepPoint> points;
    std::optional<train::ClassMapping> mapping;
    std::size_t pointsAtMapping = 0;
    QStringList notes;
    std::vector<std::pair<TrainingWorker::Command, bool>> answers;
    std::unique_ptr<TrainingWorker> worker; // last: gone before what its signals write to
};

TEST(TrainingWorker, DeliversTheClassMappingBeforeTheFirstPoint)
{
    WatchedRun run(20);
    run.worker->start();
    ASSERT_TRUE(waitFor([&] { return run.isFinished; }));
    ASSERT_TRUE(run.mapping);
    ASSERT_EQ(run.mapping->rows.size(), 1U);
    EXPECT_EQ(run.mapping->rows.front().parts.front().from, "o");
    EXPECT_EQ(run.pointsAtMapping, 0U);
}

TEST(TrainingWorker, DeliversEveryPointAndNoteInOrderOnTheGuiThread)
{
    WatchedRun run(500);
    run.worker->start();
    ASSERT_TRUE(waitFor([&] { return run.isFinished; }));
    ASSERT_EQ(run.points.size(), 500U);
    for (std::size_t i = 0; i < run.points.size(); ++i)
        ASSERT_EQ(run.points[i].step, static_cast<std::int64_t>(i + 1));
    EXPECT_EQ(run.notes, QStringList({"step 100", "step 200", "step 300", "step 400", "step 500"}));
    EXPECT_EQ(run.last.done, 500);
    EXPECT_TRUE(run.isOnGuiThread);
}

TEST(TrainingWorker, ReportsAtMostTenTimesASecond)
{
    WatchedRun run(1'000'000'000, 10us);
    run.worker->start();
    ASSERT_TRUE(waitFor([&] { return run.reports > 0; }));
    run.reports = 0;
    spinFor(1000);
    EXPECT_GE(run.reports, 2);
    EXPECT_LE(run.reports, 11);
}

TEST(TrainingWorker, AnswersPauseWhenTheSessionHasPausedAndThenTakesNoStep)
{
    WatchedRun run(1'000'000'000);
    run.worker->start();
    run.worker->pause();
    ASSERT_TRUE(waitFor([&] { return !run.answers.empty(); }));
    EXPECT_EQ(run.answers.front(), std::pair(TrainingWorker::Command::Pause, true));
    EXPECT_EQ(run.last.phase, train::Phase::Paused);
    const auto steps = run.log.steps.load();
    spinFor(100);
    EXPECT_EQ(run.log.steps.load(), steps);

    run.worker->resume();
    ASSERT_TRUE(waitFor([&] { return run.answers.size() == 2; }));
    EXPECT_EQ(run.answers.back(), std::pair(TrainingWorker::Command::Resume, true));
    ASSERT_TRUE(waitFor([&] { return run.log.steps.load() > steps; }));
}

TEST(TrainingWorker, AnswersSampleNowWithARow)
{
    WatchedRun run(1'000'000'000);
    run.worker->start();
    run.worker->sampleNow();
    ASSERT_TRUE(waitFor([&] { return run.rows == 1; }));
    EXPECT_EQ(run.answers.front(), std::pair(TrainingWorker::Command::SampleNow, true));
}

TEST(TrainingWorker, StopsWhilePausedAndAnswersEveryOpenCommand)
{
    WatchedRun run(1'000'000'000);
    run.worker->start();
    run.worker->pause();
    ASSERT_TRUE(waitFor([&] { return !run.answers.empty(); }));
    run.worker->sampleNow(); // the session is paused: it never looks again
    run.worker->requestStop();
    ASSERT_TRUE(waitFor([&] { return run.error.has_value(); }));
    EXPECT_EQ(run.error->code, ErrorCode::Cancelled);
    ASSERT_EQ(run.answers.size(), 3U);
    EXPECT_EQ(run.answers[1], std::pair(TrainingWorker::Command::Stop, true));
    EXPECT_EQ(run.answers[2], std::pair(TrainingWorker::Command::SampleNow, false));
    EXPECT_FALSE(run.worker->isRunning());
}

TEST(TrainingWorker, RejectsACommandWhenNothingRuns)
{
    WatchedRun run(1);
    run.worker->start();
    ASSERT_TRUE(waitFor([&] { return run.isFinished; }));
    run.worker->pause();
    ASSERT_EQ(run.answers.size(), 1U);
    EXPECT_FALSE(run.answers.front().second);
}

TEST(TrainingWorker, DestructionStopsTheRunAndWaitsForTheSession)
{
    WatchedRun run(1'000'000'000);
    run.worker->start();
    ASSERT_TRUE(waitFor([&] { return run.log.steps.load() > 10; }));
    run.worker.reset();
    EXPECT_TRUE(run.log.isDestroyed.load());
    EXPECT_FALSE(run.isFinished);
}

TEST(TrainingWorker, MayBeDestroyedByTheReceiverOfItsOwnSignal)
{
    WatchedRun run(1'000'000'000);
    QObject::connect(run.worker.get(), &TrainingWorker::stepped, &run.context,
                     [&] { run.worker.reset(); });
    run.worker->start();
    ASSERT_TRUE(waitFor([&] { return !run.worker; }));
    EXPECT_TRUE(run.log.isDestroyed.load());
}

TEST(TrainingWorker, TurnsAnExceptionOfTheMakerIntoAnError)
{
    std::optional<Error> error;
    TrainingWorker worker([]() -> Result<std::unique_ptr<train::TrainingSession>> {
        throw std::runtime_error("no such layer");
    });
    QObject::connect(&worker, &TrainingWorker::failed, &worker,
                     [&](const Error& problem) { error = problem; });
    worker.start();
    ASSERT_TRUE(waitFor([&] { return error.has_value(); }));
    EXPECT_EQ(error->message, "no such layer");
}

TEST(TaskWorker, DeliversTheResultOnTheGuiThread)
{
    TaskWorker worker;
    std::optional<int> result;
    std::thread::id ranOn;
    worker.start<int>(
        &worker,
        [&](std::stop_token, const TaskWorker::Report&) -> Result<int> {
            ranOn = std::this_thread::get_id();
            return 42;
        },
        [&](Result<int> value) { result = *value; });
    EXPECT_TRUE(worker.isBusy());
    ASSERT_TRUE(waitFor([&] { return result.has_value(); }));
    EXPECT_EQ(*result, 42);
    EXPECT_NE(ranOn, std::this_thread::get_id());
    EXPECT_FALSE(worker.isBusy());
}

TEST(TaskWorker, DropsTheResultsOfOlderJobs)
{
    TaskWorker worker;
    std::vector<int> results;
    for (int i = 0; i < 5; ++i) {
        worker.start<int>(
            &worker,
            [i](std::stop_token, const TaskWorker::Report&) -> Result<int> {
                std::this_thread::sleep_for(5ms);
                return i;
            },
            [&](Result<int> value) { results.push_back(*value); });
        spinFor(1);
    }
    ASSERT_TRUE(waitFor([&] { return !worker.isBusy(); }));
    spinFor(30);
    EXPECT_EQ(results, std::vector<int>{4});
}

TEST(TaskWorker, CancelReachesTheJobAndNoResultComes)
{
    TaskWorker worker;
    std::atomic<bool> hasSeenStop{false};
    bool isDelivered = false;
    worker.start<void>(
        &worker,
        [&](std::stop_token stop, const TaskWorker::Report&) -> Result<> {
            while (!stop.stop_requested())
                std::this_thread::sleep_for(1ms);
            hasSeenStop = true;
            return {};
        },
        [&](Result<>) { isDelivered = true; });
    worker.cancel();
    EXPECT_FALSE(worker.isBusy());
    ASSERT_TRUE(waitFor([&] { return hasSeenStop.load(); }));
    spinFor(30);
    EXPECT_FALSE(isDelivered);
}

TEST(TaskWorker, SaysNothingToAContextThatIsGone)
{
    TaskWorker worker;
    bool isDelivered = false;
    auto context = std::make_unique<QObject>();
    worker.start<void>(
        context.get(), [](std::stop_token, const TaskWorker::Report&) -> Result<> { return {}; },
        [&](Result<>) { isDelivered = true; });
    context.reset();
    ASSERT_TRUE(waitFor([&] { return !worker.isBusy(); }));
    EXPECT_FALSE(isDelivered);
}

TEST(TaskWorker, ReportsProgressAndTurnsExceptionsIntoErrors)
{
    TaskWorker worker;
    qint64 seen = 0;
    std::optional<Error> error;
    QObject::connect(&worker, &TaskWorker::progressed, &worker,
                     [&](qint64 done, qint64) { seen = done; });
    worker.start<void>(
        &worker,
        [](std::stop_token, const TaskWorker::Report& report) -> Result<> {
            for (int i = 1; i <= 1000; ++i)
                report(i, 1000);
            throw std::runtime_error("torn");
        },
        [&](Result<> result) { error = result.error(); });
    ASSERT_TRUE(waitFor([&] { return error.has_value(); }));
    EXPECT_EQ(seen, 1000); // the last report is never merged away
    EXPECT_EQ(error->code, ErrorCode::Internal);
}

TEST(TaskWorker, DestructionCancelsAndJoins)
{
    std::atomic<bool> isEnded{false};
    {
        TaskWorker worker;
        worker.start<void>(
            &worker,
            [&](std::stop_token stop, const TaskWorker::Report&) -> Result<> {
                while (!stop.stop_requested())
                    std::this_thread::sleep_for(1ms);
                isEnded = true;
                return {};
            },
            [](Result<>) { FAIL(); });
    }
    EXPECT_TRUE(isEnded.load());
}

class FakeGeneration final : public generate::GenerationSession {
public:
    const std::vector<std::string>& classes() const override { return classes_; }
    Result<> run(const generate::GenerationRequest& request, std::stop_token stop,
                 const generate::ImageReceiver& receive,
                 const generate::GenerationProgress& progress,
                 const generate::DraftReceiver& draft) noexcept override
    {
        const auto total = static_cast<double>(request.classes.size());
        for (std::size_t i = 0; i < request.classes.size(); ++i) {
            if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
            draft({static_cast<std::int64_t>(i), {image::Image{}}});
            std::this_thread::sleep_for(1ms);
            receive({static_cast<std::int64_t>(i), request.classes[i], i, {}});
            progress(static_cast<double>(i + 1), total);
        }
        return {};
    }

private:
    std::vector<std::string> classes_{"a", "b"};
};

struct Drawing {
    Drawing()
    {
        QObject::connect(&worker, &GenerationWorker::generated, &worker,
                         [this](const std::vector<generate::GeneratedImage>& more) {
                             images.insert(images.end(), more.begin(), more.end());
                         });
        QObject::connect(&worker, &GenerationWorker::drafted, &worker,
                         [this](const generate::Draft& draft) { drafts.push_back(draft); });
        QObject::connect(&worker, &GenerationWorker::finished, &worker, [this] { ++finished; });
        QObject::connect(&worker, &GenerationWorker::failed, &worker,
                         [this](const Error& problem) { error = problem; });
    }

    int opened = 0; // written by the worker's thread, read after finished()
    int finished = 0;
    std::optional<Error> error;
    std::vector<generate::GeneratedImage> images;
    std::vector<generate::Draft> drafts;
    GenerationWorker worker{[this]() -> Result<std::unique_ptr<generate::GenerationSession>> {
        ++opened;
        return std::make_unique<FakeGeneration>();
    }};
};

TEST(GenerationWorker, OpensTheModelOnceForManyRequests)
{
    Drawing drawing;
    for (int request = 1; request <= 3; ++request) {
        ASSERT_TRUE(drawing.worker.start({.classes = {0, 1, 0, 1}}));
        EXPECT_FALSE(drawing.worker.start({.classes = {1}})); // one at a time
        ASSERT_TRUE(waitFor([&] { return drawing.finished == request; }));
    }
    EXPECT_EQ(drawing.opened, 1);
    EXPECT_EQ(drawing.images.size(), 12U);
}

TEST(GenerationWorker, ShowsDraftsOfImagesThatAreNotDone)
{
    Drawing drawing;
    std::size_t late = 0; // of images that had been given before
    QObject::connect(&drawing.worker, &GenerationWorker::drafted, &drawing.worker,
                     [&](const generate::Draft& draft) {
                         if (static_cast<std::size_t>(draft.first) < drawing.images.size()) ++late;
                     });
    ASSERT_TRUE(drawing.worker.start({.classes = std::vector<int>(400, 1)}));
    ASSERT_TRUE(waitFor([&] { return drawing.finished == 1; }));
    EXPECT_GT(drawing.drafts.size(), 0U);
    EXPECT_EQ(late, 0U);
    EXPECT_EQ(drawing.images.size(), 400U);
}

TEST(GenerationWorker, KeepsWhatWasDrawnBeforeCancel)
{
    Drawing drawing;
    drawing.worker.start({.classes = std::vector<int>(100'000, 1)});
    ASSERT_TRUE(waitFor([&] { return drawing.images.size() > 5; }));
    drawing.worker.cancel();
    ASSERT_TRUE(waitFor([&] { return drawing.error.has_value(); }));
    EXPECT_EQ(drawing.error->code, ErrorCode::Cancelled);
    EXPECT_EQ(drawing.finished, 0);
    for (std::size_t i = 0; i < drawing.images.size(); ++i)
        ASSERT_EQ(drawing.images[i].index, static_cast<std::int64_t>(i));
}

} // namespace
} // namespace velamen::ui

int main(int argc, char** argv)
{
    QCoreApplication application(argc, argv);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
