// SPDX-License-Identifier: GPL-3.0-or-later
//
// The public model of the studio: checkpoint, selection and what they would train.

#include "engine/core/file.h"
#include "ui/models/studio_state.h"

namespace velamen::ui {

std::filesystem::path Studio::checkpoint() const { return state_->checkpoint; }
const std::vector<BuiltInCheckpoint>& Studio::builtInCheckpoints() const
{
    return state_->services.builtIn;
}
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
    s.inspectionProblem.reset();
    s.completeTask.cancel();
    s.countTask.cancel();
    s.selectionCounts.clear();
    s.saveSoon();
    s.inspect();
    s.replan();
}

void Studio::setSelection(const QString& selection)
{
    if (selection == this->selection()) return;
    train::PlanRequest changed = request();
    changed.selection = selection.toStdString();
    setRequest(changed);
}

void Studio::setTrainsConditioner(bool trains)
{
    if (trains == request().train_conditioner) return;
    train::PlanRequest changed = request();
    changed.train_conditioner = trains;
    setRequest(changed);
}

std::optional<Error> Studio::modelProblem() const
{
    const State& s = *state_;
    if (s.inspectionProblem) return s.inspectionProblem;
    if (!s.inspection || s.inspection->problems.empty()) return std::nullopt;
    return s.inspection->problems.front();
}

bool Studio::isCompleting() const { return state_->completeTask.isBusy(); }

void Studio::cancelCompletion()
{
    state_->completeTask.cancel();
    Q_EMIT modelChanged();
}

void Studio::completeCheckpoint(const checkpoint::OpenOptions& told)
{
    State& s = *state_;
    const QString title = tr("The model was not completed");
    if (!hasProject() || s.checkpoint.empty() || s.refuseWhileRunning(title)) return;
    checkpoint::ConvertRequest request{
        .from = s.checkpoint, .to = s.freeModelFolder(), .dtype = std::nullopt, .options = told};
    using Notes = std::vector<std::string>;
    s.completeTask.start<Notes>(
        this,
        [convert = s.services.convert, request](std::stop_token stop,
                                                const TaskWorker::Report&) -> Result<Notes> {
            VELAMEN_TRY(core::make_directory(request.to.parent_path()));
            auto written = convert(request, stop);
            if (!stop.stop_requested()) return written;
            std::error_code ignored; // it was done by then, and nobody will use it
            if (written) std::filesystem::remove_all(request.to, ignored);
            return fail(ErrorCode::Cancelled, "Cancelled.");
        },
        [this, title, folder = request.to](Result<Notes> written) {
            if (written) {
                chooseCheckpoint(folder);
                return;
            }
            Q_EMIT modelChanged();
            Q_EMIT failed(title, written.error());
        });
    Q_EMIT modelChanged();
}

std::filesystem::path Studio::State::freeModelFolder() const
{
    const std::string stem = checkpoint.stem().string();
    const std::filesystem::path models = project->folder() / "models";
    std::filesystem::path folder = models / stem;
    std::error_code ignored;
    for (int i = 2; std::filesystem::exists(folder, ignored); ++i)
        folder = models / (stem + "-" + std::to_string(i));
    return folder;
}

void Studio::State::inspect()
{
    inspectTask.cancel();
    Q_EMIT owner.modelChanged();
    if (checkpoint.empty()) return;
    inspectTask.start<checkpoint::Inspection>(
        &owner,
        [inspectOne = services.inspect, folder = checkpoint, selection = request.selection,
         conditioner = request.train_conditioner](std::stop_token, const TaskWorker::Report&) {
            return inspectOne(folder, selection, conditioner);
        },
        [this](Result<checkpoint::Inspection> result) {
            // After a selection that does not fit, the model still is what it was.
            if (result) inspection = std::move(*result);
            inspectionProblem = result ? std::nullopt : std::optional(result.error());
            Q_EMIT owner.modelChanged();
            // The Model page asks for what is left open.
            if (!result && result.error().code != ErrorCode::Incomplete)
                Q_EMIT owner.failed(tr("The model could not be read"), result.error());
            replan();
        });
}

void Studio::countSelections(const std::vector<std::string>& selections)
{
    State& s = *state_;
    std::vector<std::string> wanted;
    for (const std::string& selection : selections)
        if (!s.selectionCounts.contains(selection)) wanted.push_back(selection);
    if (wanted.empty() || s.checkpoint.empty()) return;
    using Counts = std::map<std::string, Result<SelectionCount>>;
    s.countTask.start<Counts>(
        this,
        [count = s.services.countSelection, folder = s.checkpoint, wanted,
         conditioner = s.request.train_conditioner](std::stop_token stop,
                                                    const TaskWorker::Report&) -> Result<Counts> {
            Counts counts;
            for (const std::string& selection : wanted) {
                if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
                counts.emplace(selection, count(folder, selection, conditioner));
            }
            return counts;
        },
        [this](Result<Counts> counts) {
            if (!counts) return;
            state_->selectionCounts.merge(*counts);
            Q_EMIT selectionCounted();
        });
}

std::optional<Result<SelectionCount>> Studio::selectionCount(const std::string& selection) const
{
    const auto found = state_->selectionCounts.find(selection);
    if (found == state_->selectionCounts.end()) return std::nullopt;
    return found->second;
}

} // namespace velamen::ui
