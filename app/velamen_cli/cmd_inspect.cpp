// SPDX-License-Identifier: GPL-3.0-or-later
//
// inspect: what a checkpoint is and what a selection would train. scan: what a private folder
// holds. forward: one component on given tensors, so that anyone can check it against another
// implementation.

#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "app/velamen_cli/progress.h"
#include "app/wiring.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/forward.h"

namespace velamen::app {

namespace {

struct InspectOptions {
    std::filesystem::path folder;
    std::string selection = "attention";
    bool keepDead = false, withoutConditioner = false;
};

int runInspect(const InspectOptions& o, const Context& context)
{
    const Output output = context.output();
    const auto found =
        checkpoint::inspect(o.folder, o.selection, !o.keepDead, !o.withoutConditioner);
    if (!found) return output.fail(found.error());
    const double share = static_cast<double>(found->trained_parameters)
        / static_cast<double>(std::max<std::int64_t>(1, found->total_parameters));
    io::Json json = io::Json::object();
    json["family"] = found->family;
    json["name"] = found->card.name;
    json["licence"] = found->card.licence;
    json["data"] = found->card.data;
    json["sha256"] = found->sha256;
    io::Json components = io::Json::array();
    output.line(fmt::format("{}\n{}  ({})", found->card.name, found->family, found->card.licence));
    for (const auto& c : found->components) {
        io::Json item = io::Json::object();
        item["name"] = c.name;
        item["kind"] = c.kind;
        item["tensors"] = c.tensors;
        item["parameters"] = c.parameters;
        item["dtype"] = c.dtype;
        item["bytes"] = c.bytes;
        components.push_back(item);
        output.line(fmt::format("  {:<15} {:<22} {:>5} tensors {:>14} parameters  {}", c.name,
                                c.kind, c.tensors, grouped(c.parameters), c.dtype));
    }
    json["components"] = components;
    json["selection"] = o.selection;
    json["conditioner"] = !o.withoutConditioner;
    json["parameters"] = found->total_parameters;
    json["trained"] = found->trained_parameters;
    json["trained_tensors"] = found->trained_tensors;
    json["share"] = share;
    json["dead"] = found->dead_parameters;
    io::Json blocks = io::Json::array();
    for (const auto& b : found->blocks) {
        io::Json item = io::Json::object();
        item["name"] = b.name;
        item["parameters"] = b.parameters;
        item["trained"] = b.is_trained;
        blocks.push_back(item);
    }
    json["blocks"] = blocks;
    io::Json classes = io::Json::array();
    for (const std::string& name : found->card.classes)
        classes.push_back(name);
    json["classes"] = classes;
    io::Json problems = io::Json::array();
    for (const std::string& problem : found->problems) {
        problems.push_back(problem);
        output.line("  problem: " + problem);
    }
    json["problems"] = problems;
    output.line(fmt::format("  selection '{}'{} trains {} of {} ({:.1f} %) in {} tensors, {} {}",
                            o.selection, o.withoutConditioner ? " without the class table" : "",
                            grouped(found->trained_parameters), grouped(found->total_parameters),
                            100.0 * share, found->trained_tensors, grouped(found->dead_parameters),
                            o.keepDead ? "of them with a gradient of zero" : "left out as dead"));
    output.line("  sha256 " + found->sha256);
    output.answer(json);
    return Ok;
}

const char* nameOf(data::ProblemKind kind)
{
    switch (kind) {
    case data::ProblemKind::Unreadable:
        return "unreadable";
    case data::ProblemKind::Corrupt:
        return "corrupt";
    case data::ProblemKind::NotAnImage:
        return "not_an_image";
    case data::ProblemKind::TooSmall:
        return "too_small";
    case data::ProblemKind::OneClassOnly:
        return "one_class_only";
    case data::ProblemKind::FewUnits:
        return "few_units";
    }
    return "unknown";
}

int runScan(const std::filesystem::path& folder, bool isPrivate, const Context& context)
{
    const Output output = context.output();
    Bar bar(output, "scanning");
    const auto manifest =
        scanSource(folder, context.stop, [&](std::int64_t done, std::int64_t total) {
            bar.update(static_cast<double>(done), static_cast<double>(total));
        });
    if (!manifest) return output.fail(manifest.error());
    bar.finish();
    io::Json json = io::Json::object();
    json["units"] = manifest->units.size();
    json["images"] = manifest->images.size();
    io::Json classes = io::Json::array();
    output.line(fmt::format("{} units, {} images, {} {} (private numbers)",
                            grouped(static_cast<long long>(manifest->units.size())),
                            grouped(static_cast<long long>(manifest->images.size())),
                            manifest->classes.size(),
                            manifest->classes.size() == 1 ? "class" : "classes"));
    for (std::size_t i = 0; i < manifest->classes.size(); ++i) {
        io::Json item = io::Json::object();
        item["name"] = manifest->classes[i];
        item["images"] = manifest->class_counts[i];
        classes.push_back(item);
        output.line(fmt::format("  {:<24} {:>8}", manifest->classes[i],
                                grouped(manifest->class_counts[i])));
    }
    json["classes"] = classes;
    io::Json problems = io::Json::array();
    for (const auto& p : manifest->problems) {
        io::Json item = io::Json::object();
        item["kind"] = nameOf(p.kind);
        item["message"] = p.message;
        item["blocks"] = p.blocks;
        if (isPrivate && !p.name.empty()) item["file"] = p.name;
        problems.push_back(item);
        output.line(fmt::format("  {}: {}{}", p.blocks ? "problem" : "note",
                                p.name.empty() ? "" : p.name + ": ", p.message));
    }
    json["problems"] = problems;
    output.answer(json);
    return Ok;
}

} // namespace

void addInspect(CLI::App& app, Context& context)
{
    struct Options {
        std::filesystem::path path, inputs, outputs;
        std::string component;
        bool isPrivate = false;
    };
    auto o = std::make_shared<Options>();
    CLI::App* inspect = app.add_subcommand("inspect", "What a checkpoint is and what would train");
    auto look = std::make_shared<InspectOptions>();
    inspect->add_option("checkpoint", look->folder, "Checkpoint folder")->required();
    inspect
        ->add_option("--select", look->selection,
                     "attention, attention:from=k, qkvo, cross, lora:r, lora:r:alpha or full")
        ->capture_default_str();
    inspect->add_flag("--keep-dead", look->keepDead, "Count tensors whose gradient is always zero");
    inspect->add_flag("--no-conditioner", look->withoutConditioner,
                      "Count without the class table");
    inspect->callback([look, &context] { context.exitCode = runInspect(*look, context); });

    CLI::App* scan = app.add_subcommand("scan", "What a folder or zip of private images holds");
    scan->add_option("folder", o->path, "Folder or zip; class = subfolder")->required();
    scan->add_flag("--private", o->isPrivate, "Let --json name the files of problems");
    scan->callback([o, &context] { context.exitCode = runScan(o->path, o->isPrivate, context); });

    CLI::App* forward = app.add_subcommand("forward", "Run one component on given tensors");
    forward->add_option("checkpoint", o->path, "Checkpoint folder")->required();
    forward->add_option("--component", o->component, "unet, vae_encoder or vae_decoder")
        ->required();
    forward->add_option("--inputs", o->inputs, "safetensors file to read")->required();
    forward->add_option("--outputs", o->outputs, "safetensors file to write")->required();
    forward->callback([o, &context] {
        const auto done =
            checkpoint::forward_component(o->path, o->component, o->inputs, o->outputs);
        context.exitCode = done ? Ok : context.output().fail(done.error());
    });
}

} // namespace velamen::app
