// SPDX-License-Identifier: GPL-3.0-or-later
//
// The insides of Studio, shared by its source files (studio.cpp, studio_data.cpp, studio_model.cpp,
// studio_plan.cpp, studio_run.cpp, studio_release.cpp). Nobody else includes this.

#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>

#include <QElapsedTimer>
#include <QPointer>
#include <QTimer>

#include "ui/models/studio.h"
#include "ui/workers/generation_worker.h"
#include "ui/workers/task_worker.h"
#include "ui/workers/training_worker.h"

namespace velamen::ui {

struct Studio::State {
    State(Studio& studio, Services given) : owner(studio), services(std::move(given)) {}

    Studio& owner; ///< outlives this; its signals are emitted from here
    const Services services;

    // ---- project (studio.cpp)
    void adopt(std::unique_ptr<project::Project> opened);
    void saveSoon();
    void saveNow();
    bool refuseWhileRunning(const QString& title);
    std::unique_ptr<project::Project> project;
    QTimer saveTimer;

    // ---- data (studio_data.cpp)
    /// Names and table first, then every image. `isNew`: the suggested keys are taken.
    void look(bool isNew);
    void scan();
    void useKeys(const data::Keys& keys);
    void useManifest(data::Manifest found);
    void nextThumbnails();
    std::filesystem::path source;
    bool isScanning = false;
    std::optional<data::Manifest> manifest;
    std::optional<KeySuggestion> suggestion;
    std::string unitKey; ///< the last one chosen that tells more than images apart
    /// Scans of this source by their keys: going back and forth between units reads nothing anew.
    std::vector<std::pair<data::Keys, data::Manifest>> scanned;
    std::deque<std::pair<int, std::string>> wantedThumbnails; ///< class, name
    TaskWorker scanTask;
    TaskWorker thumbnailTask;

    // ---- model (studio_model.cpp)
    void inspect();
    /// In the project; earlier ones may be what a run was tuned from.
    std::filesystem::path freeModelFolder() const;
    std::filesystem::path checkpoint;
    std::optional<checkpoint::Inspection> inspection;
    std::optional<Error> inspectionProblem; ///< why there is no inspection
    TaskWorker inspectTask;
    TaskWorker completeTask;
    std::map<std::string, Result<SelectionCount>>
        selectionCounts; ///< of checkpoint and conditioner
    TaskWorker countTask;

    // ---- privacy (studio_plan.cpp)
    std::optional<Error> missingForPlan() const;
    train::PlanRequest completeRequest() const;
    /// Takes the plan back and computes a new one after a short rest.
    void replan();
    void computePlan();
    void measurePlan();
    std::string costKey(const train::TrainingPlan& plan) const;
    train::PlanRequest request;
    std::optional<bool> unitsArePublic;
    std::optional<train::TrainingPlan> plan;
    std::optional<train::Forecast> forecast;
    std::optional<Error> planProblem;
    bool isConfirmed = false;
    QTimer planTimer;
    QTimer measureTimer;
    TaskWorker planTask;
    TaskWorker measureTask;
    std::map<std::string, std::pair<double, double>> measuredCosts; ///< key: seconds, gigabytes

    // ---- train (studio_run.cpp)
    void setRunState(RunState next);
    void log(const QString& text);
    void launch(TrainingWorker::Maker maker, const std::filesystem::path& folder);
    void onProgress(const train::Progress& report);
    void onAnswer(TrainingWorker::Command command, bool isAccepted, const QString& reason);
    void onEnd(const std::optional<Error>& error);
    void readLastRun();
    void computePlannedBudget();
    RunState runState = RunState::Idle;
    train::Progress progress;
    std::vector<train::StepPoint> points;
    std::vector<train::SampleRow> rows;
    std::optional<train::ClassMapping> classMapping;
    QStringList eventLog;
    std::filesystem::path runFolder;
    std::optional<train::RunRecord> lastRun;
    std::optional<train::TrainingPlan> runPlan;
    std::vector<std::pair<std::int64_t, double>> plannedBudget;
    std::unique_ptr<TrainingWorker> trainer;
    TaskWorker recordTask;
    TaskWorker curveTask;

    // ---- sample (studio_release.cpp)
    void onGenerationEnd(const std::optional<Error>& error);
    bool isPublicWanted = false;  ///< although there is a tuned model
    QStringList generatedClasses; ///< names of the last request's classes
    generate::GenerationRequest generationRequest;
    std::vector<generate::GeneratedImage> generated;
    std::filesystem::path generatedFrom; ///< run folder that the images belong to; empty: public
    std::string generatorKey;            ///< checkpoint and step that the worker has loaded
    std::unique_ptr<GenerationWorker> generator;

    // ---- release (studio_release.cpp)
    std::vector<release::ReleaseImage> releaseImages() const;
    std::optional<release::ReleaseSummary> releaseSummary;
    std::optional<release::Verification> verification;
    TaskWorker releaseTask;

    // ---- ledger (studio_release.cpp)
    std::vector<privacy::LedgerEntry> ledger;
    bool isLedgerRead = false;
    std::optional<Error> ledgerProblem;
    TaskWorker ledgerTask;
};

} // namespace velamen::ui
