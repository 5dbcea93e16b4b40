// SPDX-License-Identifier: GPL-3.0-or-later
//
// The privacy part of the studio: from what is asked to a plan, its forecast and its confirmation.
// Stale results are dropped by the workers: a newer job takes the older one's place.

#include <cmath>

#include "ui/models/studio_state.h"
#include "ui/models/unit_words.h"

namespace velamen::ui {

namespace {

constexpr int kPlanMilliseconds = 250;
constexpr int kMeasureMilliseconds = 1200;

Error missing(const QString& what, const QString& wayOut)
{
    return {ErrorCode::InvalidArgument, what.toStdString(), wayOut.toStdString()};
}

struct PlanAndForecast {
    train::TrainingPlan plan;
    train::Forecast forecast;
};

} // namespace

const train::PlanRequest& Studio::request() const { return state_->request; }
std::optional<bool> Studio::unitsArePublic() const { return state_->unitsArePublic; }
const std::optional<train::TrainingPlan>& Studio::plan() const { return state_->plan; }
const std::optional<train::Forecast>& Studio::forecast() const { return state_->forecast; }
std::optional<Error> Studio::planProblem() const { return state_->planProblem; }
bool Studio::isConfirmed() const { return state_->isConfirmed; }

bool Studio::isPlanning() const
{
    return state_->planTimer.isActive() || state_->planTask.isBusy();
}

bool Studio::isMeasuring() const
{
    return state_->measureTimer.isActive() || state_->measureTask.isBusy();
}

void Studio::setRequest(const train::PlanRequest& request)
{
    State& s = *state_;
    const bool isOtherConditioner = request.train_conditioner != s.request.train_conditioner;
    const bool isOtherModel = isOtherConditioner || request.selection != s.request.selection;
    const bool areOtherKeys = request.keys != s.request.keys;
    if (areOtherKeys && s.refuseWhileRunning(tr("The images were not changed"))) return;
    s.request = request;
    s.saveSoon();
    if (isOtherConditioner) {
        s.countTask.cancel();
        s.selectionCounts.clear();
    }
    if (isOtherModel) s.inspect();
    if (areOtherKeys) {
        s.useKeys(request.keys);
        s.scan();
    }
    s.replan();
}

void Studio::setUnit(const std::string& unit)
{
    if (unit == request().unit) return;
    const std::string key = unit == kImageUnit ? kFileKey : knownUnitKey();
    if (key.empty()) return;
    train::PlanRequest changed = request();
    changed.unit = unit;
    changed.keys.unit = key;
    setRequest(changed);
}

void Studio::setUnitsArePublic(bool isPublic)
{
    State& s = *state_;
    if (s.unitsArePublic == isPublic) return;
    s.unitsArePublic = isPublic;
    s.request.neighbours = isPublic ? privacy::Neighbours::ZeroOut : privacy::Neighbours::AddRemove;
    // A secret number is typed by the user, never filled in from the scan.
    s.request.public_units =
        isPublic && s.manifest ? static_cast<std::int64_t>(s.manifest->units.size()) : 0;
    s.saveSoon();
    s.replan();
}

std::optional<Error> Studio::State::missingForPlan() const
{
    if (!project)
        return missing(tr("No project is open."), tr("Create or open one on the Start page."));
    if (source.empty())
        return missing(tr("No private images are chosen."), tr("Choose them on the Data page."));
    if (isScanning)
        return missing(tr("The images are still being read."), tr("The plan follows by itself."));
    if (!manifest)
        return missing(tr("The private images could not be read."),
                       tr("Choose another folder on the Data page."));
    for (const auto& problem : manifest->problems)
        if (problem.blocks && problem.name.empty())
            return missing(QString::fromStdString(problem.message),
                           tr("See the problems on the Data page."));
    if (checkpoint.empty())
        return missing(tr("No public model is chosen."), tr("Choose one on the Model page."));
    if (!unitsArePublic)
        return missing(tr("It is not said yet whether the number of %1 is public.")
                           .arg(unitPlural(request.unit)),
                       tr("Answer that question on the Privacy page."));
    return std::nullopt;
}

train::PlanRequest Studio::State::completeRequest() const
{
    train::PlanRequest complete = request;
    complete.source = source;
    complete.checkpoint = checkpoint;
    if (manifest) complete.classes = manifest->classes;
    return complete;
}

void Studio::State::replan()
{
    planTask.cancel();
    measureTimer.stop();
    measureTask.cancel();
    plan.reset();
    forecast.reset();
    isConfirmed = false;
    request = completeRequest();
    planProblem = missingForPlan();
    if (planProblem)
        planTimer.stop();
    else
        planTimer.start(kPlanMilliseconds);
    Q_EMIT owner.planChanged();
}

void Studio::State::computePlan()
{
    planTask.start<PlanAndForecast>(
        &owner,
        [make = services.makePlan, foresee = services.forecast, asked = request](
            std::stop_token stop, const TaskWorker::Report&) -> Result<PlanAndForecast> {
            VELAMEN_ASSIGN(auto made, make(asked));
            if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
            VELAMEN_ASSIGN(auto foreseen, foresee(made, false));
            return PlanAndForecast{std::move(made), foreseen};
        },
        [this](Result<PlanAndForecast> result) {
            if (!result) {
                planProblem = result.error();
                Q_EMIT owner.planChanged();
                return;
            }
            plan = std::move(result->plan);
            forecast = result->forecast;
            const auto known = measuredCosts.find(costKey(*plan));
            if (known != measuredCosts.end())
                std::tie(forecast->seconds, forecast->gigabytes) = known->second;
            else
                measureTimer.start(kMeasureMilliseconds);
            Q_EMIT owner.planChanged();
        });
}

// Time and memory do not depend on epsilon or delta: moving the slider measures nothing anew.
std::string Studio::State::costKey(const train::TrainingPlan& made) const
{
    return made.checkpoint.string() + '\n' + made.selection
        + (made.train_conditioner ? "\nconditioner\n" : "\n") + made.precision + '\n'
        + made.optimiser.clipping + '\n' + std::to_string(made.privacy.images_per_unit) + '\n'
        + std::to_string(made.privacy.expected_batch) + '\n' + std::to_string(made.privacy.steps)
        + '\n' + std::to_string(made.micro_batch) + '\n'
        + std::to_string(made.optimiser.noise_multiplicity)
        + (made.privacy.hardened ? "\nhardened" : "");
}

void Studio::State::measurePlan()
{
    if (!plan || owner.isRunActive() || owner.isGenerating()) return;
    measureTask.start<train::Forecast>(
        &owner,
        [foresee = services.forecast, planned = *plan](std::stop_token, const TaskWorker::Report&) {
            return foresee(planned, true);
        },
        [this](Result<train::Forecast> measured) {
            if (measured && plan) {
                measuredCosts[costKey(*plan)] = {measured->seconds, measured->gigabytes};
                forecast = *measured;
            }
            Q_EMIT owner.planChanged(); // without a measurement the pages say so
        });
}

void Studio::confirmPlan()
{
    if (!state_->plan || state_->isConfirmed) return;
    state_->isConfirmed = true;
    Q_EMIT planChanged();
}

} // namespace velamen::ui
