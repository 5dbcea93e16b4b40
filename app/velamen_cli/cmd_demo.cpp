// SPDX-License-Identifier: GPL-3.0-or-later
//
// demo: the whole way without a display. Private digits, public letters checkpoint, DP-SGD at
// epsilon 10, samples by class, a release, its verification.

#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "app/velamen_cli/progress.h"
#include "app/velamen_cli/sampling.h"
#include "app/wiring.h"
#include "engine/core/file.h"
#include "engine/privacy/explain.h"
#include "engine/project/project.h"

namespace velamen::app {

namespace {

namespace fs = std::filesystem;

struct Options {
    fs::path out;
    double epsilon = 10.0;
    double delta = 1e-5;
    std::int64_t steps = 0;
    std::int64_t batch = 0;
    int perClass = 500;
    double guidance = 0.3;
    int samplerSteps = 20;
};

Result<std::unique_ptr<project::Project>> openOrCreate(const fs::path& folder)
{
    std::error_code ignored;
    return fs::exists(folder / "project.json", ignored)
        ? project::Project::open(folder)
        : project::Project::create(folder, "digits-demo");
}

Result<> demo(Options o, const Context& context)
{
    const Output output = context.output();
    const auto begin = std::chrono::steady_clock::now();
    const Resources resources = findResources(context.executable);
    if (o.out.empty()) o.out = core::user_data_directory() / "demo";
    VELAMEN_ASSIGN(const auto project, openOrCreate(fs::absolute(o.out)));
    project::Settings settings = project->settings();
    settings.source = resources.digits;
    settings.checkpoint = resources.lettersCheckpoint;
    VELAMEN_TRY(project->save(settings));

    output.line("private digits: " + resources.digits.string());
    output.line("public letters: " + resources.lettersCheckpoint.string());
    Bar bar(output, "scanning");
    VELAMEN_ASSIGN(
        const data::Manifest manifest,
        scanSource(resources.digits, context.stop, [&](std::int64_t done, std::int64_t total) {
            bar.update(static_cast<double>(done), static_cast<double>(total));
        }));
    bar.finish(
        fmt::format("{} images, {} classes", manifest.images.size(), manifest.classes.size()));

    train::PlanRequest request;
    request.checkpoint = resources.lettersCheckpoint;
    request.source = resources.digits;
    request.classes = manifest.classes;
    request.epsilon = o.epsilon;
    request.delta = o.delta;
    request.public_units = static_cast<std::int64_t>(manifest.units.size());
    request.steps = o.steps;
    request.expected_batch = o.batch;
    VELAMEN_ASSIGN(const train::TrainingPlan plan, train::make_plan(request));
    output.line(
        fmt::format("plan: epsilon {:g}, delta {}, noise {:.4f}, {} steps of about {} images",
                    plan.privacy.epsilon, privacy::one_in(plan.privacy.delta),
                    plan.privacy.noise_effective, plan.privacy.steps, plan.privacy.expected_batch));
    output.line("  " + privacy::odds_sentence(*privacy::Epsilon::create(plan.privacy.epsilon)));

    VELAMEN_ASSIGN(const fs::path run, project->new_run());
    VELAMEN_ASSIGN(const auto session, train::start_private_run(plan, run));
    train::Mailbox mailbox;
    ConsoleObserver observer(output, run / "samples.png");
    VELAMEN_TRY(session->run(context.stop, mailbox, observer));
    VELAMEN_ASSIGN(const train::RunRecord record, train::read_run(run));

    SamplingOptions sampling;
    sampling.count = o.perClass;
    sampling.guidance = o.guidance;
    sampling.steps = o.samplerSteps;
    VELAMEN_ASSIGN(auto images, drawImages(record.checkpoint, sampling, context));
    const fs::path sheet = run / "grid.png";
    VELAMEN_TRY(writeSheet(images, o.perClass, 20, sheet));

    VELAMEN_ASSIGN(auto release, releaseRequestOf(run));
    release.images = std::move(images);
    const fs::path zip = run / "release.zip";
    VELAMEN_ASSIGN(const auto summary, release::write_release(release, zip, context.stop));
    VELAMEN_ASSIGN(const auto verified, release::verify(zip));
    if (!verified.is_valid)
        return velamen::fail(ErrorCode::Internal,
                             "the release just written does not verify: "
                                 + verified.findings.front().file + ": "
                                 + verified.findings.front().message);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

    io::Json json = io::Json::object();
    json["event"] = "done";
    json["run"] = run.string();
    json["checkpoint"] = record.checkpoint.string();
    json["zip"] = zip.string();
    json["grid"] = sheet.string();
    json["epsilon"] = verified.epsilon_recomputed;
    json["epsilon_rdp"] = verified.epsilon_rdp;
    json["delta"] = verified.delta;
    json["seconds_per_step"] = observer.secondsPerStep();
    json["seconds"] = seconds;
    json["images"] = verified.images;
    output.event(json);
    output.line(fmt::format("checkpoint  {}", record.checkpoint.string()));
    output.line(fmt::format("grid        {}", sheet.string()));
    output.line(fmt::format("release     {} ({}, verified)", zip.string(), summary.status));
    output.line(
        fmt::format("epsilon {:.4f} by PLD, {:.4f} by RDP, at delta {:g}; {} steps, {:.2f} s "
                    "a step, {} images, {} in all",
                    verified.epsilon_recomputed, verified.epsilon_rdp, verified.delta, record.step,
                    observer.secondsPerStep(), verified.images, duration(seconds)));
    return {};
}

} // namespace

void addDemo(CLI::App& app, Context& context)
{
    auto o = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("demo", "Private digits in, certified synthetic digits out");
    command->add_option("--out", o->out,
                        "Project folder (default: demo in the user's data folder)");
    command->add_option("--epsilon", o->epsilon, "Declared limit")->capture_default_str();
    command->add_option("--delta", o->delta, "Delta")->capture_default_str();
    command->add_option("--steps", o->steps, "Optimiser steps (default: the preset's)");
    command->add_option("--batch", o->batch, "Expected units a step (default: a tenth)");
    command->add_option("--per-class", o->perClass, "Synthetic images of each class")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str();
    command->add_option("--guidance", o->guidance, "Guidance scale")->capture_default_str();
    command->add_option("--sampler-steps", o->samplerSteps, "DDIM steps")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command->callback([o, &context] {
        if (const auto done = demo(*o, context); !done)
            context.exitCode = context.output().fail(done.error());
    });
}

} // namespace velamen::app
