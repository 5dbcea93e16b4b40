// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen/engine_services.h"

#include <utility>

#include "app/wiring.h"
#include "engine/checkpoint/checkpoint.h"

namespace velamen::app {

namespace {

namespace fs = std::filesystem;

Result<data::Manifest> scan(const fs::path& source, const data::Keys& keys, const std::string& unit,
                            std::stop_token stop, const data::ScanProgress& progress)
{
    return scanSource(source, std::move(stop), progress, {.keys = keys, .unit = unit});
}

Result<ui::KeySuggestion> suggestKeys(const fs::path& source)
{
    VELAMEN_ASSIGN(const auto opened, data::Source::open(source));
    ui::KeySuggestion suggestion;
    VELAMEN_ASSIGN(data::OfferedKeys offered, data::offered_keys(*opened));
    suggestion.columns = std::move(offered.columns);
    if (offered.suggested) {
        suggestion.keys = offered.suggested->keys;
        suggestion.unit = offered.suggested->unit;
    }
    return suggestion;
}

Result<ui::SelectionCount> countSelection(const fs::path& checkpoint, const std::string& selection,
                                          bool trainsConditioner)
{
    VELAMEN_ASSIGN(const auto counts,
                   checkpoint::count_selection(checkpoint, selection, true, trainsConditioner));
    return ui::SelectionCount{.trained = counts.trained_parameters,
                              .total = counts.total_parameters};
}

} // namespace

ui::Services engineServices(const std::filesystem::path& executable)
{
    const Resources resources = findResources(executable);
    shareVocabularies(executable);
    ui::Services services;
    services.scan = scan;
    services.suggestKeys = suggestKeys;
    services.thumbnail = thumbnail;
    services.inspect = [](const fs::path& checkpoint, const std::string& selection,
                          bool trainsConditioner) {
        return checkpoint::inspect(checkpoint, selection, true, trainsConditioner);
    };
    services.convert = checkpoint::convert;
    services.countSelection = countSelection;
    services.makePlan = train::make_plan;
    services.forecast = [](const train::TrainingPlan& plan, bool measured) {
        return measured ? train::measure(plan) : train::forecast(plan);
    };
    services.startRun = [](const train::TrainingPlan& plan, const fs::path& runFolder) {
        return train::start_private_run(plan, runFolder);
    };
    services.resumeRun = [](const fs::path& runFolder) {
        return train::resume_private_run(runFolder);
    };
    services.openGeneration = generate::GenerationSession::open;
    services.writeRelease = [](const fs::path& runFolder, std::vector<release::ReleaseImage> images,
                               const fs::path& zip,
                               std::stop_token stop) -> Result<release::ReleaseSummary> {
        VELAMEN_ASSIGN(auto request, releaseRequestOf(runFolder));
        request.images = std::move(images);
        return release::write_release(request, zip, std::move(stop));
    };
    services.verify = release::verify;
    services.ledgerOf = ledgerOf;
    services.readRun = train::read_run;
    services.readPlan = planOf;
    services.demoCheckpoint = resources.lettersCheckpoint;
    services.builtIn = {{"Letters: 32 px, grey, by class", resources.lettersCheckpoint},
                        {"Emoji: 64 px, colour, by prompt", resources.emojiCheckpoint}};
    services.demoSource = resources.digits;
    return services;
}

} // namespace velamen::app
