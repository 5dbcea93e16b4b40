// SPDX-License-Identifier: GPL-3.0-or-later
//
// Project, data and model of the studio. Planning is in studio_plan.cpp, running in studio_run.cpp,
// sampling, release and ledger in studio_release.cpp.

#include "ui/models/studio.h"

#include <algorithm>
#include <random>

#include "engine/core/assert.h"
#include "engine/core/file.h"
#include "ui/models/request_json.h"
#include "ui/models/studio_state.h"

namespace velamen::ui {

namespace {

constexpr int kSaveMilliseconds = 200;
constexpr int kThumbnailSize = 64;
constexpr std::size_t kThumbnailsAtOnce = 8;

QImage toImage(const image::Image& image)
{
    const std::size_t wanted = static_cast<std::size_t>(image.width)
        * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.channels);
    if (wanted == 0 || image.pixels.size() != wanted) return {};
    const auto format = image.channels == 1 ? QImage::Format_Grayscale8 : QImage::Format_RGB888;
    return QImage(image.pixels.data(), image.width, image.height,
                  qsizetype(image.width) * image.channels, format)
        .copy();
}

} // namespace

Studio::Studio(Services services, QObject* parent)
    : QObject(parent), state_(std::make_unique<State>(*this, std::move(services)))
{
    State& s = *state_;
    const Services& all = s.services;
    VELAMEN_ASSERT(all.scan && all.thumbnail && all.inspect && all.makePlan && all.forecast);
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
    for (TaskWorker* task : {&scanTask, &thumbnailTask, &inspectTask, &planTask, &measureTask,
                             &recordTask, &curveTask, &releaseTask, &ledgerTask})
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
    manifest.reset();
    wantedThumbnails.clear();
    inspection.reset();
    isConfirmed = false;
    runState = RunState::Idle;
    progress = {};
    points.clear();
    rows.clear();
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
    Q_EMIT owner.generatedChanged();
    Q_EMIT owner.releaseChanged();
    Q_EMIT owner.ledgerChanged();
    scan();
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
    settings.draft = toJson({request, unitsArePublic, generationRequest});
    if (const auto saved = project->save(settings); !saved)
        Q_EMIT owner.failed(tr("The project could not be saved"), saved.error());
}

// ---- data

std::filesystem::path Studio::source() const { return state_->source; }
bool Studio::isScanning() const { return state_->isScanning; }
const std::optional<data::Manifest>& Studio::manifest() const { return state_->manifest; }

void Studio::chooseSource(const std::filesystem::path& path)
{
    State& s = *state_;
    if (s.refuseWhileRunning(tr("The images were not changed"))) return;
    s.source = path;
    s.manifest.reset();
    s.wantedThumbnails.clear();
    s.thumbnailTask.cancel();
    s.ledgerTask.cancel();
    s.ledger.clear();
    s.isLedgerRead = false;
    s.ledgerProblem.reset();
    s.saveSoon();
    s.scan();
    s.replan();
    Q_EMIT ledgerChanged();
}

void Studio::State::scan()
{
    scanTask.cancel();
    isScanning = !source.empty();
    Q_EMIT owner.sourceChanged();
    if (!isScanning) return;
    scanTask.start<data::Manifest>(
        &owner,
        [scanSource = services.scan, path = source](std::stop_token stop,
                                                    const TaskWorker::Report& report) {
            return scanSource(path, std::move(stop), report);
        },
        [this](Result<data::Manifest> result) {
            isScanning = false;
            if (result) {
                manifest = std::move(*result);
                if (unitsArePublic == true)
                    request.public_units = static_cast<std::int64_t>(manifest->units.size());
                Q_EMIT owner.sourceChanged();
                owner.refreshLedger();
            } else {
                Q_EMIT owner.sourceChanged();
                if (result.error().code != ErrorCode::Cancelled)
                    Q_EMIT owner.failed(tr("The images could not be read"), result.error());
            }
            replan();
        });
}

void Studio::cancelScan()
{
    if (!state_->isScanning) return;
    state_->scanTask.cancel();
    state_->isScanning = false;
    Q_EMIT sourceChanged();
    state_->replan();
}

void Studio::requestThumbnails(int count)
{
    State& s = *state_;
    s.wantedThumbnails.clear();
    if (!s.manifest || s.manifest->classes.empty() || count <= 0) return;
    std::vector<std::vector<const std::string*>> byClass(s.manifest->classes.size());
    for (const auto& entry : s.manifest->images)
        byClass.at(static_cast<std::size_t>(entry.class_index)).push_back(&entry.name);
    std::mt19937_64 order(1234); // public: the choice must say nothing about the images
    for (auto& names : byClass)
        std::ranges::shuffle(names, order);
    for (std::size_t rank = 0; s.wantedThumbnails.size() < static_cast<std::size_t>(count);
         ++rank) {
        bool isAny = false;
        for (std::size_t index = 0; index < byClass.size(); ++index)
            if (rank < byClass[index].size()
                && s.wantedThumbnails.size() < static_cast<std::size_t>(count)) {
                s.wantedThumbnails.emplace_back(static_cast<int>(index), *byClass[index][rank]);
                isAny = true;
            }
        if (!isAny) break;
    }
    s.nextThumbnails();
}

void Studio::State::nextThumbnails()
{
    if (wantedThumbnails.empty()) return;
    using Ready = std::vector<std::pair<int, image::Image>>;
    const auto end = wantedThumbnails.begin()
        + static_cast<std::ptrdiff_t>(std::min(kThumbnailsAtOnce, wantedThumbnails.size()));
    std::vector<std::pair<int, std::string>> batch(wantedThumbnails.begin(), end);
    wantedThumbnails.erase(wantedThumbnails.begin(), end);
    thumbnailTask.start<Ready>(
        &owner,
        [read = services.thumbnail, path = source, batch = std::move(batch)](
            std::stop_token stop, const TaskWorker::Report&) -> Result<Ready> {
            Ready ready;
            for (const auto& [classIndex, name] : batch) {
                if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
                if (auto image = read(path, name, kThumbnailSize)) // a bad one is left out
                    ready.emplace_back(classIndex, std::move(*image));
            }
            return ready;
        },
        [this](Result<Ready> ready) {
            if (!ready) return;
            for (const auto& [classIndex, image] : *ready)
                Q_EMIT owner.thumbnailReady(classIndex, toImage(image));
            nextThumbnails();
        });
}

// ---- model

std::filesystem::path Studio::checkpoint() const { return state_->checkpoint; }
QString Studio::selection() const { return QString::fromStdString(state_->request.selection); }
const std::optional<checkpoint::Inspection>& Studio::inspection() const
{
    return state_->inspection;
}

void Studio::chooseCheckpoint(const std::filesystem::path& folder)
{
    State& s = *state_;
    if (s.refuseWhileRunning(tr("The model was not changed"))) return;
    s.checkpoint = folder;
    s.inspection.reset();
    s.saveSoon();
    s.inspect();
    s.replan();
}

void Studio::setSelection(const QString& selection)
{
    State& s = *state_;
    if (selection == this->selection()) return;
    s.request.selection = selection.toStdString();
    s.saveSoon();
    s.inspect();
    s.replan();
}

void Studio::State::inspect()
{
    inspectTask.cancel();
    Q_EMIT owner.modelChanged();
    if (checkpoint.empty()) return;
    inspectTask.start<checkpoint::Inspection>(
        &owner,
        [look = services.inspect, folder = checkpoint, selection = request.selection](
            std::stop_token, const TaskWorker::Report&) { return look(folder, selection); },
        [this](Result<checkpoint::Inspection> result) {
            if (result)
                inspection = std::move(*result);
            else
                inspection.reset();
            Q_EMIT owner.modelChanged();
            if (!result) Q_EMIT owner.failed(tr("The model could not be read"), result.error());
            replan();
        });
}

bool Studio::isBusy() const { return isRunActive() || isGenerating() || isReleasing(); }

} // namespace velamen::ui
