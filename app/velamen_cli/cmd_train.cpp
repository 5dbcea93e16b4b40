// SPDX-License-Identifier: GPL-3.0-or-later
//
// plan: everything a private run will do, as a file. train and resume: do it.

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "app/velamen_cli/progress.h"
#include "app/wiring.h"
#include "engine/core/file.h"
#include "engine/privacy/explain.h"
#include "engine/train/private/private_session.h"

namespace velamen::app {

namespace {

namespace fs = std::filesystem;

struct PlanOptions {
    train::PlanRequest request;
    std::string unit; ///< empty: what the key says
    std::string neighbours = "zero_out";
    fs::path out;
    bool measure = false;
};

/// The word for what the key of the unit tells apart.
Result<std::string> unitName(const std::string& given, const data::Keys& keys)
{
    if (!given.empty()) return given;
    std::string name = data::unit_name_of(keys);
    if (!name.empty()) return name;
    return velamen::fail(ErrorCode::InvalidArgument,
                         "the key '" + keys.unit + "' does not say what a unit is",
                         "name it, for example with --unit patient");
}

int runPlan(PlanOptions o, const Context& context)
{
    const Output output = context.output();
    const auto relation = privacy::neighbours_of(o.neighbours);
    if (!relation) return output.fail(relation.error());
    o.request.neighbours = *relation;
    const auto unit = unitName(o.unit, o.request.keys);
    if (!unit) return output.fail(unit.error());
    o.request.unit = *unit;
    Bar bar(output, "scanning");
    const auto manifest =
        scanSource(o.request.source, context.stop,
                   [&](std::int64_t done, std::int64_t total) {
                       bar.update(static_cast<double>(done), static_cast<double>(total));
                   },
                   {.keys = o.request.keys, .unit = *unit});
    if (!manifest) return output.fail(manifest.error());
    bar.finish();
    o.request.classes = manifest->classes;
    if (std::ranges::any_of(manifest->problems,
                            [](const auto& p) { return p.blocks && !p.name.empty(); }))
        output.line("note: images are left out; velamen-cli scan lists them with the reason");
    if (*relation == privacy::Neighbours::ZeroOut)
        o.request.public_units = static_cast<std::int64_t>(manifest->units.size());
    else if (o.request.public_units == 0)
        return output.fail(Error{ErrorCode::InvalidArgument,
                                 "under add_remove the number of units is secret",
                                 "give a public number of your own with --units"});
    o.request.source = fs::absolute(o.request.source);
    o.request.checkpoint = fs::absolute(o.request.checkpoint);
    if (!o.request.public_source.empty())
        o.request.public_source = fs::absolute(o.request.public_source);
    auto plan = train::make_plan(o.request);
    if (plan) plan = train::fit_micro_batch(*plan);
    if (!plan) return output.fail(plan.error());
    const auto forecast = o.measure ? train::measure(*plan) : train::forecast(*plan);
    if (!forecast) return output.fail(forecast.error());
    if (const auto folder = core::make_directory(fs::absolute(o.out).parent_path()); !folder)
        return output.fail(folder.error());
    if (const auto saved = core::write_file(o.out, plan->to_json().dump(2) + "\n"); !saved)
        return output.fail(saved.error());

    io::Json json = io::Json::object();
    json["plan"] = o.out.string();
    json["epsilon"] = forecast->epsilon;
    json["epsilon_rdp"] = forecast->epsilon_rdp;
    json["noise"] = plan->privacy.noise_effective;
    json["epsilon_warm_start"] = forecast->epsilon_warm_start;
    json["noise_without_warm_start"] = forecast->noise_without_warm_start;
    json["steps"] = plan->privacy.steps;
    json["rate"] = plan->privacy.rate;
    json["delta"] = plan->privacy.delta;
    json["neighbours"] = privacy::name_of(plan->privacy.neighbours);
    json["expected_batch"] = plan->privacy.expected_batch;
    json["unit"] = plan->privacy.unit;
    json["images_per_unit"] = plan->privacy.images_per_unit;
    json["noise_multiplicity"] = plan->optimiser.noise_multiplicity;
    json["micro_batch"] = plan->micro_batch;
    json["trained_parameters"] = forecast->trained_parameters;
    json["total_parameters"] = forecast->total_parameters;
    json["seconds"] = forecast->seconds;
    json["gigabytes"] = forecast->gigabytes;
    output.answer(json);
    output.line(fmt::format("plan {}", o.out.string()));
    output.line(fmt::format("  epsilon {:.4f} (RDP {:.4f}), delta {}, noise {:.4f}, {} steps of "
                            "about {} units",
                            forecast->epsilon, forecast->epsilon_rdp,
                            privacy::one_in(plan->privacy.delta), plan->privacy.noise_effective,
                            plan->privacy.steps, plan->privacy.expected_batch));
    output.line(fmt::format(
        "  a unit is one {}: {} of its images a step at most, {} draws of noise "
        "for each",
        plan->privacy.unit, plan->privacy.images_per_unit, plan->optimiser.noise_multiplicity));
    if (forecast->epsilon_warm_start > 0.0)
        output.line(fmt::format("  the warm start alone costs epsilon {:.4f}; without it the noise "
                                "of the steps would be {:.4f}",
                                forecast->epsilon_warm_start, forecast->noise_without_warm_start));
    output.line(fmt::format("  trains {} of {} parameters", grouped(forecast->trained_parameters),
                            grouped(forecast->total_parameters)));
    if (plan->memory_limit > 0.0)
        output.line(fmt::format("  {} units a pass, within {:.2f} GiB", plan->micro_batch,
                                plan->memory_limit));
    if (forecast->seconds > 0.0)
        output.line(
            fmt::format("  about {}, {:.1f} GB", duration(forecast->seconds), forecast->gigabytes));
    return Ok;
}

int finish(Result<std::unique_ptr<train::TrainingSession>> session, const fs::path& run,
           const Context& context)
{
    const Output output = context.output();
    if (!session) return output.fail(session.error());
    train::Mailbox mailbox;
    ConsoleObserver observer(output, run / "samples.png");
    const auto outcome = (*session)->run(context.stop, mailbox, observer);
    if (!outcome) {
        if (outcome.error().code == ErrorCode::Cancelled)
            output.line(
                fmt::format("stopped safely; go on with: velamen-cli resume {}", run.string()));
        return output.fail(outcome.error());
    }
    const auto record = train::read_run(run);
    if (!record) return output.fail(record.error());
    io::Json json = io::Json::object();
    json["event"] = "done";
    json["run"] = run.string();
    json["checkpoint"] = record->checkpoint.string();
    json["steps"] = record->step;
    json["epsilon"] = record->epsilon;
    json["epsilon_rdp"] = record->epsilon_rdp;
    output.event(json);
    output.line(fmt::format("done: {} steps, {:.2f} s a step, epsilon {:.4f} (RDP {:.4f})",
                            record->step, observer.secondsPerStep(), record->epsilon,
                            record->epsilon_rdp));
    output.line("checkpoint " + record->checkpoint.string());
    return Ok;
}

int runTrain(const fs::path& planFile, fs::path run, const Context& context)
{
    const Output output = context.output();
    const auto text = core::read_file(planFile);
    if (!text) return output.fail(text.error());
    const auto json = io::Json::parse(*text);
    if (!json) return output.fail(json.error());
    const auto plan = train::TrainingPlan::from_json(*json);
    if (!plan) return output.fail(plan.error());
    if (run.empty()) {
        const fs::path runs = fs::absolute(planFile).parent_path() / "runs";
        int number = 1;
        while (fs::exists(runs / fmt::format("{:04}", number)))
            ++number;
        run = runs / fmt::format("{:04}", number);
    }
    return finish(train::start_private_run(*plan, run), run, context);
}

} // namespace

void addTrain(CLI::App& app, Context& context)
{
    auto p = std::make_shared<PlanOptions>();
    CLI::App* plan = app.add_subcommand("plan", "Write a training plan with its forecast");
    plan->add_option("checkpoint", p->request.checkpoint, "Public checkpoint folder")->required();
    plan->add_option("folder", p->request.source, "Private folder or zip")->required();
    plan->add_option("--out", p->out, "Plan file to write")->required();
    plan->add_option("--epsilon", p->request.epsilon, "Declared limit")->capture_default_str();
    plan->add_option("--delta", p->request.delta, "Default: min(1e-6, 1/(10 N)), a power of ten");
    plan->add_option("--neighbours", p->neighbours,
                     "zero_out (number of units public) or add_remove")
        ->capture_default_str();
    plan->add_option("--units", p->request.public_units, "Public number of units under add_remove");
    addKeys(*plan, p->request.keys, p->unit);
    plan->add_option("--images-per-unit", p->request.images_per_unit,
                     "Images of a unit in a step, at most (default: 1 where a unit is an image, "
                     "else 4)");
    plan->add_option("--multiplicity", p->request.noise_multiplicity,
                     "Draws of noise and time for each image")
        ->capture_default_str();
    plan->add_option("--batch", p->request.expected_batch, "Expected units a step");
    plan->add_option("--steps", p->request.steps, "Optimiser steps");
    plan->add_option("--select", p->request.selection,
                     std::string("Trained tensors: ") + kSelections)
        ->capture_default_str();
    plan->add_flag("!--no-conditioner", p->request.train_conditioner,
                   "Leave the class table or text encoder as it is");
    plan->add_option("--caption", p->request.caption,
                     "Prompt of a class for a text-conditional checkpoint, as in 'a photo of "
                     "{class}'");
    plan->add_option("--image-size", p->request.image_size,
                     "Side of the images in pixels (default: the checkpoint's own)")
        ->check(CLI::Range(8, 4096));
    plan->add_flag("--clipped-fraction", p->request.release_clipped_fraction,
                   "Release the share of clipped units with noise of its own, at about 1 % of "
                   "epsilon");
    plan->add_flag("--warm-start", p->request.warm_start,
                   "Begin at noisy means of the classes, released once and counted in epsilon");
    plan->add_flag("--votes", p->request.class_votes,
                   "Begin each class at the public classes that it resembles, by a noisy vote of "
                   "its images, released once and counted in epsilon");
    plan->add_flag("--hardened", p->request.hardened,
                   "Discrete noise on an integer grid, against attacks on floating-point noise; "
                   "slower, and epsilon is the Renyi bound");
    plan->add_option("--precision", p->request.precision,
                     "fp32, or bf16 for frozen weights and activations")
        ->capture_default_str();
    plan->add_option("--memory", p->request.memory_limit,
                     "GiB that the run may use: the micro-batch is found by dry runs");
    plan->add_option("--public", p->request.public_source,
                     "Public folder or zip to learn from beside the private images");
    plan->add_option("--public-batch", p->request.public_batch, "Public images a step");
    plan->add_flag("--measure", p->measure, "Measure time and memory on synthetic data");
    plan->callback([p, &context] { context.exitCode = runPlan(*p, context); });

    struct Options {
        fs::path plan, run;
    };
    auto o = std::make_shared<Options>();
    CLI::App* train = app.add_subcommand("train", "Run a plan; Ctrl+C pauses safely");
    train->add_option("plan", o->plan, "Plan file")->required();
    train->add_option("--run", o->run, "Run folder to create (default: runs/NNNN beside the plan)");
    train->callback([o, &context] { context.exitCode = runTrain(o->plan, o->run, context); });

    CLI::App* resume = app.add_subcommand("resume", "Go on with an interrupted run");
    resume->add_option("run", o->run, "Run folder")->required();
    resume->callback([o, &context] {
        context.exitCode = finish(train::resume_private_run(o->run), o->run, context);
    });
}

} // namespace velamen::app
