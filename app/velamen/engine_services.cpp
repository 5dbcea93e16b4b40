// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen/engine_services.h"

#include "app/wiring.h"

namespace velamen::app {

ui::Services engineServices(const std::filesystem::path& executable)
{
    const Resources resources = findResources(executable);
    ui::Services services;
    services.scan = [](const std::filesystem::path& source, std::stop_token stop,
                       const data::ScanProgress& progress) {
        return scanSource(source, std::move(stop), progress);
    };
    services.thumbnail = thumbnail;
    services.inspect = [](const std::filesystem::path& checkpoint, const std::string& selection) {
        return checkpoint::inspect(checkpoint, selection);
    };
    services.makePlan = train::make_plan;
    services.forecast = [](const train::TrainingPlan& plan, bool measured) {
        return measured ? train::measure(plan) : train::forecast(plan);
    };
    services.startRun = [](const train::TrainingPlan& plan,
                           const std::filesystem::path& runFolder) {
        return train::start_private_run(plan, runFolder);
    };
    services.resumeRun = [](const std::filesystem::path& runFolder) {
        return train::resume_private_run(runFolder);
    };
    services.openGeneration = generate::GenerationSession::open;
    services.writeRelease = [](const std::filesystem::path& runFolder,
                               std::vector<release::ReleaseImage> images,
                               const std::filesystem::path& zip,
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
