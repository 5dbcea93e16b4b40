// SPDX-License-Identifier: GPL-3.0-or-later
//
// Project of the studio. Its images are in studio_data.cpp, its model in studio_model.cpp, planning
// in studio_plan.cpp, running in studio_run.cpp, sampling, release and ledger in
// studio_release.cpp.

#include "ui/models/studio.h"

#include "engine/core/assert.h"
#include "engine/core/file.h"
#include "ui/models/request_json.h"
#include "ui/models/studio_state.h"

namespace velamen::ui {

namespace {

constexpr int kSaveMilliseconds = 200;

} // namespace

Studio::Studio(Services services, QObject* parent)
    : QObject(parent), state_(std::make_unique<State>(*this, std::move(services)))
{
    State& s = *state_;
    const Services& all = s.services;
    VELAMEN_ASSERT(all.scan && all.suggestKeys && all.thumbnail && all.inspect);
    VELAMEN_ASSERT(all.convert && all.countSelection && all.makePlan && all.forecast);
    VELAMEN_ASSERT(all.startRun && all.resumeRun && all.readRun && all.readPlan && all.ledgerOf);
    VELAMEN_ASSERT(all.openGeneration && all.writeRelease && all.verify);
    s.saveTimer.setSingleShot(true);
    s.saveTimer.setInterval(kSaveMilliseconds);
    connect(&s.saveTimer, &QTimer::timeout, this, [this] { state_->saveNow(); });
    s.planTimer.setSingleShot(true);
    connect(&s.planTimer, &QTimer::timeout, this, [this] { state_->computePlan(); });
    s.measureTimer.setSingleShot(true);
    connect(&s.measureTimer, &QTimer::timeout, this, [this] { state_->measurePlan(); });
    connect(&s.scanTask, &TaskWorker::progressed, this, &Studio::scanProgressed);
}

Studio::~Studio()
{
    if (state_->saveTimer.isActive()) state_->saveNow();
}

// ---- project

bool Studio::hasProject() const { return state_->project != nullptr; }

QString Studio::projectName() const
{
    return hasProject() ? QString::fromStdString(state_->project->settings().name) : QString();
}

std::filesystem::path Studio::projectFolder() const
{
    return hasProject() ? state_->project->folder() : std::filesystem::path();
}

bool Studio::State::refuseWhileRunning(const QString& title)
{
    if (!owner.isRunActive()) return false;
    Q_EMIT owner.failed(title,
                        Error{ErrorCode::Busy, tr("A run is in progress.").toStdString(),
                              tr("Stop it on the Train page first.").toStdString()});
    return true;
}

void Studio::createProject(const std::filesystem::path& folder, const QString& name)
{
    const QString title = tr("The project could not be created");
    if (state_->refuseWhileRunning(title)) return;
    if (auto created = project::Project::create(folder, name.toStdString()))
        state_->adopt(std::move(*created));
    else
        Q_EMIT failed(title, created.error());
}

void Studio::openProject(const std::filesystem::path& folder)
{
    const QString title = tr("The project could not be opened");
    if (state_->refuseWhileRunning(title)) return;
    if (hasProject() && state_->project->folder() == folder) return;
    if (auto opened = project::Project::open(folder))
        state_->adopt(std::move(*opened));
    else
        Q_EMIT failed(title, opened.error());
}

void Studio::openDemo()
{
    const QString title = tr("The demo could not be opened");
    if (state_->refuseWhileRunning(title)) return;
    const auto home = core::user_data_directory() / "projects";
    const auto folder = home / "digits-demo";
    if (hasProject() && state_->project->folder() == folder) return;
    std::error_code ignored;
    const bool isThere = std::filesystem::exists(folder / "project.json", ignored);
    if (const auto made = core::make_directory(home); !made) {
        Q_EMIT failed(title, made.error());
        return;
    }
    auto demo = isThere ? project::Project::open(folder)
                        : project::Project::create(folder, tr("digits-demo").toStdString());
    if (!demo) {
        Q_EMIT failed(title, demo.error());
        return;
    }
    state_->adopt(std::move(*demo));
    if (!isThere) { // the budget of `velamen-cli demo`
        state_->request.epsilon = 10.0;
        state_->request.delta = 1e-5;
    }
    if (source().empty()) chooseSource(state_->services.demoSource);
    if (checkpoint().empty()) chooseCheckpoint(state_->services.demoCheckpoint);
}

void Studio::State::adopt(std::unique_ptr<project::Project> opened)
{
    if (saveTimer.isActive()) saveNow();
    for (TaskWorker* task :
         {&scanTask, &thumbnailTask, &inspectTask, &completeTask, &countTask, &planTask,
          &measureTask, &recordTask, &curveTask, &releaseTask, &ledgerTask})
        task->cancel();
    trainer.reset();
    generator.reset();
    generatorKey.clear();

    project = std::move(opened);
    project::remember_project(project->folder());
    const auto& settings = project->settings();
    const Draft draft = draftFrom(settings.draft);
    source = settings.source;
    checkpoint = settings.checkpoint;
    request = draft.request;
    unitsArePublic = draft.unitsArePublic;
    generationRequest = draft.generation;
    isScanning = false;
    unitKey = draft.unitKey;
    manifest.reset();
    suggestion.reset();
    scanned.clear();
    wantedThumbnails.clear();
    inspection.reset();
    inspectionProblem.reset();
    selectionCounts.clear();
    isConfirmed = false;
    isPublicWanted = false;
    runState = RunState::Idle;
    progress = {};
    points.clear();
    rows.clear();
    classMapping.reset();
    eventLog.clear();
    lastRun.reset();
    runPlan.reset();
    plannedBudget.clear();
    generated.clear();
    releaseSummary.reset();
    verification.reset();
    ledger.clear();
    isLedgerRead = false;
    ledgerProblem.reset();
    const auto runs = project->runs();
    runFolder = runs.empty() ? std::filesystem::path() : runs.back();

    Q_EMIT owner.projectChanged();
    Q_EMIT owner.runStateChanged(runState);
    Q_EMIT owner.progressed();
    Q_EMIT owner.stepped();
    Q_EMIT owner.sampleRowsChanged();
    Q_EMIT owner.classMappingChanged();
    Q_EMIT owner.generatedChanged();
    Q_EMIT owner.releaseChanged();
    Q_EMIT owner.ledgerChanged();
    look(false);
    inspect();
    replan();
    readLastRun();
}

void Studio::State::saveSoon()
{
    if (project && !saveTimer.isActive()) saveTimer.start();
}

void Studio::State::saveNow()
{
    saveTimer.stop();
    if (!project) return;
    project::Settings settings = project->settings();
    settings.source = source;
    settings.checkpoint = checkpoint;
    settings.draft = toJson({request, unitKey, unitsArePublic, generationRequest});
    if (const auto saved = project->save(settings); !saved)
        Q_EMIT owner.failed(tr("The project could not be saved"), saved.error());
}

bool Studio::isBusy() const
{
    return isRunActive() || isGenerating() || isReleasing() || isCompleting();
}

} // namespace velamen::ui
