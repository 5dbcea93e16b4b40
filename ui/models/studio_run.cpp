// SPDX-License-Identifier: GPL-3.0-or-later
//
// The run of the studio: Idle, Preparing, Running, Pausing, Paused, Stopping, Done or Failed.

#include <algorithm>

#include <QTime>

#include "engine/privacy/composition.h"
#include "ui/models/class_mapping.h"
#include "ui/models/studio_state.h"

namespace velamen::ui {

namespace {

constexpr std::size_t kLoggedClasses = 20; ///< the page lists all

bool isPreparation(train::Phase phase)
{
    return phase == train::Phase::Preparing || phase == train::Phase::Scanning
        || phase == train::Phase::Encoding || phase == train::Phase::Calibrating
        || phase == train::Phase::WarmStart;
}

QString nameOf(TrainingWorker::Command command)
{
    switch (command) {
    case TrainingWorker::Command::Pause:
        return QStringLiteral("pause");
    case TrainingWorker::Command::Resume:
        return QStringLiteral("resume");
    case TrainingWorker::Command::SampleNow:
        return QStringLiteral("sampleNow");
    case TrainingWorker::Command::Stop:
        return QStringLiteral("stop");
    }
    return {};
}

} // namespace

RunState Studio::runState() const { return state_->runState; }
const train::Progress& Studio::progress() const { return state_->progress; }
const std::vector<train::StepPoint>& Studio::points() const { return state_->points; }
const std::vector<train::SampleRow>& Studio::sampleRows() const { return state_->rows; }
const std::optional<train::ClassMapping>& Studio::classMapping() const
{
    return state_->classMapping;
}
const QStringList& Studio::eventLog() const { return state_->eventLog; }
std::optional<train::RunRecord> Studio::lastRun() const { return state_->lastRun; }
const std::optional<train::TrainingPlan>& Studio::runPlan() const { return state_->runPlan; }
const std::vector<std::pair<std::int64_t, double>>& Studio::plannedBudget() const
{
    return state_->plannedBudget;
}
std::filesystem::path Studio::lastRunFolder() const { return state_->runFolder; }

bool Studio::isRunActive() const
{
    switch (state_->runState) {
    case RunState::Preparing:
    case RunState::Running:
    case RunState::Pausing:
    case RunState::Paused:
    case RunState::Stopping:
        return true;
    case RunState::Idle:
    case RunState::Done:
    case RunState::Failed:
        break;
    }
    return false;
}

bool Studio::canResume() const
{
    const State& s = *state_;
    if (s.runState == RunState::Paused) return true;
    return !isRunActive() && s.lastRun && s.runPlan && s.lastRun->state != "done"
        && s.lastRun->step < s.runPlan->privacy.steps;
}

QString Studio::whyCannotStart() const
{
    const State& s = *state_;
    if (isRunActive()) return tr("A run is in progress.");
    if (s.planProblem)
        return QString::fromStdString(s.planProblem->message) + QLatin1Char(' ')
            + QString::fromStdString(s.planProblem->hint);
    if (!s.plan) return tr("The plan is being calculated.");
    if (!s.isConfirmed) return tr("The plan is not confirmed yet. Confirm it on the Privacy page.");
    if (s.trainer && s.trainer->isRunning()) return tr("The last run is still being put away.");
    return {};
}

void Studio::start()
{
    State& s = *state_;
    if (!whyCannotStart().isEmpty()) return;
    s.saveNow();
    const auto folder = s.project->new_run();
    if (!folder) {
        Q_EMIT failed(tr("The run could not be started"), folder.error());
        return;
    }
    s.points.clear();
    s.rows.clear();
    s.classMapping.reset();
    s.eventLog.clear();
    s.lastRun.reset();
    s.runPlan = s.plan;
    s.log(tr("run %1: ε at most %2, %3 steps")
              .arg(QString::fromStdString(folder->filename().string()))
              .arg(s.runPlan->privacy.epsilon)
              .arg(s.runPlan->privacy.steps));
    s.launch([make = s.services.startRun, plan = *s.plan,
              folder = *folder] { return make(plan, folder); },
             *folder);
}

void Studio::resumeRun()
{
    State& s = *state_;
    if (s.trainer && isRunActive()) {
        if (s.runState == RunState::Paused || s.runState == RunState::Pausing) s.trainer->resume();
        return;
    }
    if (!canResume()) return;
    s.log(tr("going on after step %1; spent ε stays spent").arg(s.lastRun->step));
    s.launch([make = s.services.resumeRun, folder = s.runFolder] { return make(folder); },
             s.runFolder);
}

void Studio::pause()
{
    State& s = *state_;
    if (!s.trainer || (s.runState != RunState::Running && s.runState != RunState::Preparing))
        return;
    s.setRunState(RunState::Pausing);
    s.trainer->pause();
}

void Studio::stopRun()
{
    State& s = *state_;
    if (!s.trainer || !isRunActive() || s.runState == RunState::Stopping) return;
    s.setRunState(RunState::Stopping);
    s.trainer->requestStop();
}

void Studio::sampleNow()
{
    State& s = *state_;
    if (s.trainer && s.runState == RunState::Running) s.trainer->sampleNow();
}

void Studio::State::launch(TrainingWorker::Maker maker, const std::filesystem::path& folder)
{
    measureTimer.stop();
    measureTask.cancel();
    recordTask.cancel();
    runFolder = folder;
    progress = {};
    progress.epsilon_limit = runPlan ? runPlan->privacy.epsilon : 0.0;
    progress.epsilon = lastRun ? lastRun->epsilon : 0.0;
    trainer = std::make_unique<TrainingWorker>(std::move(maker));
    TrainingWorker* const worker = trainer.get();
    connect(worker, &TrainingWorker::progressed, &owner,
            [this](const train::Progress& report) { onProgress(report); });
    connect(worker, &TrainingWorker::noted, &owner, [this](const QString& note) { log(note); });
    connect(worker, &TrainingWorker::stepped, &owner,
            [this](const std::vector<train::StepPoint>& more) {
                points.insert(points.end(), more.begin(), more.end());
                Q_EMIT owner.stepped();
            });
    connect(worker, &TrainingWorker::sampled, &owner, [this](const train::SampleRow& row) {
        rows.push_back(row);
        log(tr("step %1: samples drawn").arg(row.step));
        Q_EMIT owner.sampleRowsChanged();
    });
    connect(worker, &TrainingWorker::classesMapped, &owner,
            [this](const train::ClassMapping& mapping) {
                classMapping = mapping;
                for (std::size_t i = 0; i < std::min(kLoggedClasses, mapping.rows.size()); ++i)
                    log(tr("class %1 ← %2")
                            .arg(QString::fromStdString(mapping.rows[i].name),
                                 mappingText(mapping.rows[i])));
                Q_EMIT owner.classMappingChanged();
            });
    connect(worker, &TrainingWorker::answered, &owner,
            [this](TrainingWorker::Command command, bool isAccepted, const QString& reason) {
                onAnswer(command, isAccepted, reason);
            });
    connect(worker, &TrainingWorker::finished, &owner, [this] { onEnd(std::nullopt); });
    connect(worker, &TrainingWorker::failed, &owner, [this](const Error& error) { onEnd(error); });
    computePlannedBudget();
    setRunState(RunState::Preparing);
    Q_EMIT owner.progressed();
    Q_EMIT owner.stepped();
    Q_EMIT owner.sampleRowsChanged();
    Q_EMIT owner.classMappingChanged();
    worker->start();
}

void Studio::State::onProgress(const train::Progress& report)
{
    progress = report;
    if (runState == RunState::Preparing && !isPreparation(report.phase)) {
        // The budget of a run that steps is spent: a further run needs its own confirmation.
        isConfirmed = false;
        setRunState(RunState::Running);
        Q_EMIT owner.planChanged();
    }
    Q_EMIT owner.progressed();
}

void Studio::State::onAnswer(TrainingWorker::Command command, bool isAccepted,
                             const QString& reason)
{
    if (command == TrainingWorker::Command::Pause && runState == RunState::Pausing) {
        if (isAccepted) {
            log(tr("paused; the model stays loaded"));
            setRunState(RunState::Paused);
            readLastRun();
        }
    }
    if (command == TrainingWorker::Command::Resume && isAccepted
        && (runState == RunState::Paused || runState == RunState::Pausing)) {
        log(tr("going on"));
        setRunState(RunState::Running);
    }
    Q_EMIT owner.commandAnswered(nameOf(command), isAccepted, reason);
}

void Studio::State::onEnd(const std::optional<Error>& error)
{
    progress.seconds_left = 0.0;
    const bool isStopped = error && error->code == ErrorCode::Cancelled;
    if (!error) {
        log(tr("done: the planned steps are taken"));
        progress.phase = train::Phase::Done;
        setRunState(RunState::Done);
    } else if (isStopped) {
        log(tr("stopped after step %1; it can be resumed")
                .arg(points.empty() ? 0 : points.back().step));
        setRunState(RunState::Done);
    } else {
        log(tr("failed: %1").arg(QString::fromStdString(error->message)));
        setRunState(RunState::Failed);
    }
    Q_EMIT owner.progressed();
    readLastRun();
    owner.refreshLedger();
    if (error && !isStopped) Q_EMIT owner.failed(tr("The run did not finish"), *error);
}

void Studio::State::setRunState(RunState next)
{
    if (next == runState) return;
    runState = next;
    Q_EMIT owner.runStateChanged(next);
}

void Studio::State::log(const QString& text)
{
    const QString line =
        QTime::currentTime().toString(QStringLiteral("HH:mm:ss")) + QStringLiteral("  ") + text;
    eventLog.append(line);
    Q_EMIT owner.eventLogged(line);
}

void Studio::State::readLastRun()
{
    if (runFolder.empty()) return;
    struct Read {
        train::RunRecord record;
        std::optional<train::TrainingPlan> plan;
    };
    recordTask.start<Read>(
        &owner,
        [readRun = services.readRun, readPlan = services.readPlan,
         folder = runFolder](std::stop_token, const TaskWorker::Report&) -> Result<Read> {
            VELAMEN_ASSIGN(auto record, readRun(folder));
            Read read{std::move(record), std::nullopt};
            if (auto made = readPlan(folder)) read.plan = std::move(*made);
            return read;
        },
        [this](Result<Read> read) {
            if (!read) // a run that never took a step has nothing to say
                return;
            lastRun = std::move(read->record);
            if (read->plan) runPlan = std::move(read->plan);
            if (plannedBudget.empty()) computePlannedBudget();
            Q_EMIT owner.runStateChanged(runState);
            Q_EMIT owner.progressed();
        });
}

void Studio::State::computePlannedBudget()
{
    plannedBudget.clear();
    if (!runPlan) return;
    using Curve = std::vector<std::pair<std::int64_t, double>>;
    curveTask.start<Curve>(
        &owner,
        [plan = runPlan->privacy](std::stop_token stop,
                                  const TaskWorker::Report&) -> Result<Curve> {
            constexpr int kPoints = 24;
            std::vector<std::int64_t> at{1, 2, 4, 8, 16}; // the curve is steep at its start
            for (int i = 1; i <= kPoints; ++i)
                at.push_back(plan.steps * i / kPoints);
            std::ranges::sort(at);
            VELAMEN_ASSIGN(const auto delta, privacy::Delta::create(plan.delta));
            VELAMEN_ASSIGN(auto spending, train::spending_of(plan));
            Curve curve{{0, 0.0}};
            for (const std::int64_t step : at) {
                if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
                if (step <= curve.back().first || step > plan.steps) continue;
                VELAMEN_ASSIGN(spending.front().times, privacy::Steps::create(step));
                VELAMEN_ASSIGN(const auto bound, privacy::bound_of(spending, delta));
                curve.emplace_back(step, bound.epsilon.value());
            }
            return curve;
        },
        [this](Result<Curve> curve) {
            if (!curve) return; // the chart does without
            plannedBudget = std::move(*curve);
            Q_EMIT owner.progressed();
        });
}

} // namespace velamen::ui
