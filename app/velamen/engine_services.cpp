// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen/engine_services.h"

#include <utility>
#include <vector>

#include "app/wiring.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/selection.h"
#include "engine/io/safetensors.h"

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
    VELAMEN_ASSIGN(suggestion.columns, data::metadata_columns(*opened));
    VELAMEN_ASSIGN(const auto found, data::suggested_keys(*opened));
    if (found) {
        suggestion.keys = found->keys;
        suggestion.unit = found->unit;
    }
    return suggestion;
}

/// From the headers alone: a fingerprint of the weights for each choice would take minutes.
Result<ui::SelectionCount> countSelection(const fs::path& checkpoint, const std::string& selection,
                                          bool trainsConditioner)
{
    std::vector<nn::NamedShape> shapes;
    for (const auto& [part, weights] : {std::pair{"unet/", "diffusion_pytorch_model.safetensors"},
                                        std::pair{"class_embedder/", "model.safetensors"}}) {
        VELAMEN_ASSIGN(const auto file, io::SafetensorsFile::open(checkpoint / part / weights));
        for (const io::TensorView& tensor : file.tensors())
            shapes.push_back({part + tensor.name, tensor.shape});
    }
    VELAMEN_ASSIGN(const auto trained,
                   checkpoint::trained_shapes(shapes, selection, true, trainsConditioner));
    const auto sum = [](const std::vector<nn::NamedShape>& all) {
        std::int64_t count = 0;
        for (const nn::NamedShape& one : all)
            count += nn::element_count(one.shape);
        return count;
    };
    return ui::SelectionCount{.trained = sum(trained), .total = sum(shapes)};
}

} // namespace

ui::Services engineServices(const std::filesystem::path& executable)
{
    const Resources resources = findResources(executable);
    ui::Services services;
    services.scan = scan;
    services.suggestKeys = suggestKeys;
    services.thumbnail = thumbnail;
    services.inspect = [](const fs::path& checkpoint, const std::string& selection,
                          bool trainsConditioner) {
        return checkpoint::inspect(checkpoint, selection, true, trainsConditioner);
    };
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
    services.demoSource = resources.digits;
    return services;
}

} // namespace velamen::app
