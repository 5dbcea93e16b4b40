// SPDX-License-Identifier: GPL-3.0-or-later
//
// The open project as the pages see it: values, what is known about them, and signals when they
// change. Pages read and call slots; workers do the work; this object (GUI thread only) ties them
// together and saves the project after every change.

#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <QImage>
#include <QObject>
#include <QString>
#include <QStringList>

#include "engine/project/project.h"
#include "ui/models/services.h"

namespace velamen::ui {

/// Whose images are drawn: the last run's, or those of the checkpoint that it starts from.
enum class DrawnModel { Tuned, Public };

enum class RunState { Idle, Preparing, Running, Pausing, Paused, Stopping, Done, Failed };

class Studio final : public QObject {
    Q_OBJECT

public:
    explicit Studio(Services services, QObject* parent = nullptr);
    ~Studio() override;

    // ---- project
    bool hasProject() const;
    QString projectName() const;
    std::filesystem::path projectFolder() const;
    void createProject(const std::filesystem::path& folder, const QString& name);
    void openProject(const std::filesystem::path& folder);
    /// Creates (or opens) the demo project: embedded checkpoint and digits already chosen.
    void openDemo();

    // ---- data (private)
    std::filesystem::path source() const;
    void chooseSource(const std::filesystem::path& path); ///< starts a scan
    bool isScanning() const;
    void cancelScan();
    /// Where class and unit are found. A change of the unit's key changes the unit: "image" for
    /// kFileKey, else the unit that was, "patient" when that was the image. Starts a scan.
    const data::Keys& keys() const;
    void setKeys(const data::Keys& keys);
    /// Empty until the source was looked at.
    const std::optional<KeySuggestion>& keySuggestion() const;
    /// What tells units of several images apart: the chosen key, else the one that was chosen
    /// before, else the suggested one. Empty: nothing is known.
    std::string knownUnitKey() const;
    const std::optional<data::Manifest>& manifest() const;
    /// Answered by thumbnailReady, in a random public order per class.
    void requestThumbnails(int count);

    // ---- model (public)
    std::filesystem::path checkpoint() const;
    /// The checkpoints that come with Velamen.
    const std::vector<BuiltInCheckpoint>& builtInCheckpoints() const;
    void chooseCheckpoint(const std::filesystem::path& folder); ///< starts an inspection
    QString selection() const;
    void setSelection(const QString& selection);
    void setTrainsConditioner(bool trains);
    const std::optional<checkpoint::Inspection>& inspection() const;
    /// Why the checkpoint could not be inspected, or cannot be used as it is. Incomplete:
    /// completeCheckpoint() helps.
    std::optional<Error> modelProblem() const;
    /// Writes the checkpoint again, with what a person tells of it, as a folder of the project's,
    /// and chooses that.
    void completeCheckpoint(const checkpoint::OpenOptions& told);
    bool isCompleting() const;
    void cancelCompletion();
    /// Counts what each of these selections would train; answered by selectionCounted().
    void countSelections(const std::vector<std::string>& selections);
    /// Nothing: not counted yet. An error: this checkpoint has nothing of that selection.
    std::optional<Result<SelectionCount>> selectionCount(const std::string& selection) const;

    // ---- privacy
    /// The request being edited; setRequest starts a new plan and forecast in the background
    /// (debounced).
    const train::PlanRequest& request() const;
    void setRequest(const train::PlanRequest& request);
    /// "image", or the word for what knownUnitKey() tells apart (needed for it). Starts a scan.
    void setUnit(const std::string& unit);
    /// Is the number of units public? Unanswered until the user chose.
    std::optional<bool> unitsArePublic() const;
    void setUnitsArePublic(bool isPublic);
    const std::optional<train::TrainingPlan>& plan() const; ///< empty while invalid or computing
    const std::optional<train::Forecast>& forecast() const;
    std::optional<Error> planProblem() const; ///< why there is no plan
    bool isPlanning() const;                  ///< a plan is being computed
    bool isMeasuring() const;                 ///< its time and memory are being measured
    bool isConfirmed() const;
    void confirmPlan(); ///< a separate step; any later change of the request takes it back

    // ---- train
    RunState runState() const;
    QString whyCannotStart() const; ///< empty when start() is possible
    void start();
    void pause();
    void resumeRun(); ///< after pause(), or an interrupted run of this project
    void stopRun();
    void sampleNow();
    const train::Progress& progress() const;
    const std::vector<train::StepPoint>& points() const;
    const std::vector<train::SampleRow>& sampleRows() const;
    /// What the released votes say that the classes begin as; empty without votes.
    const std::optional<train::ClassMapping>& classMapping() const;
    const QStringList& eventLog() const;
    std::optional<train::RunRecord> lastRun() const;
    bool canResume() const;
    /// The plan of the run in progress, else of the last one.
    const std::optional<train::TrainingPlan>& runPlan() const;
    std::filesystem::path lastRunFolder() const; ///< empty: none yet
    /// (step, epsilon) of runPlan() as it is meant to go; empty while it is computed. Announced by
    /// progressed().
    const std::vector<std::pair<std::int64_t, double>>& plannedBudget() const;
    /// True for Preparing to Stopping.
    bool isRunActive() const;

    // ---- sample
    /// Tuned as soon as there is a tuned model, unless the public one was asked for.
    DrawnModel drawnModel() const;
    void setDrawnModel(DrawnModel model);
    bool hasTunedModel() const;
    QString whyCannotGenerate() const; ///< empty when generate() is possible
    /// The public list of classes of the run, or of the one that is planned.
    QStringList classNames() const;
    /// Those of drawnModel(); none for a public model that knows sentences alone.
    QStringList drawableClasses() const;
    /// Whether the model understands sentences in place of classes.
    bool takesPrompts() const;
    /// What an image of the last request shows: its prompt or its class.
    QString subjectOf(const generate::GeneratedImage& image) const;
    bool isGenerating() const;
    void generate(const generate::GenerationRequest& request);
    void cancelGeneration();
    const std::vector<generate::GeneratedImage>& generated() const;
    /// Which model the last request went to.
    DrawnModel generatedModel() const;
    const generate::GenerationRequest& generationRequest() const;

    // ---- release
    QString whyCannotRelease() const; ///< empty when writeRelease() is possible
    bool isReleasing() const;         ///< writing or verifying
    void cancelRelease();
    /// Writes the generated images as a release zip, then verifies it.
    void writeRelease(const std::filesystem::path& zip);
    void verify(const std::filesystem::path& zip);
    const std::optional<release::ReleaseSummary>& releaseSummary() const;
    const std::optional<release::Verification>& verification() const;

    // ---- ledger
    const std::vector<privacy::LedgerEntry>& ledger() const;
    void refreshLedger();
    bool isLedgerRead() const;                         ///< the chain was read and holds
    const std::optional<Error>& ledgerProblem() const; ///< why not

    /// True while anything runs that closing would cut off.
    bool isBusy() const;

Q_SIGNALS:
    void projectChanged();
    void sourceChanged(); ///< also progress of a scan
    void scanProgressed(qint64 done, qint64 total);
    void thumbnailReady(int classIndex, const QImage& image);
    void modelChanged();
    void selectionCounted();
    void planChanged();
    void runStateChanged(velamen::ui::RunState state);
    void progressed();
    void stepped(); ///< points() grew; coalesced to at most 10 per second
    void sampleRowsChanged();
    void classMappingChanged();
    void eventLogged(const QString& line);
    /// Pause, resume, sample now and stop are each answered, at the latest when the run ends.
    void commandAnswered(const QString& command, bool isAccepted, const QString& reason);
    void generationProgressed(double done, double total);
    void generatedChanged();
    /// How images that are not done look on their way.
    void generationDrafted(const velamen::generate::Draft& draft);
    void drawnModelChanged();
    void generationNoted(const QStringList& notes);
    void generationFinished();
    void releaseChanged();
    void ledgerChanged();
    /// Title, cause and way out for a person; shown as a banner or dialog.
    void failed(const QString& title, const velamen::Error& error);

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace velamen::ui
