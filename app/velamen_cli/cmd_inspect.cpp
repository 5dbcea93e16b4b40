// SPDX-License-Identifier: GPL-3.0-or-later
//
// inspect: what a checkpoint is and what a selection would train. scan: what a private folder
// holds. forward: one component on given tensors, so that anyone can check it against another
// implementation.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

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
    checkpoint::OpenOptions open;
};

double shareOf(const checkpoint::Inspection& found)
{
    return static_cast<double>(found.trained_parameters)
        / static_cast<double>(std::max<std::int64_t>(1, found.total_parameters));
}

io::Json listOf(const std::vector<std::string>& texts)
{
    io::Json list = io::Json::array();
    for (const std::string& text : texts)
        list.push_back(text);
    return list;
}

io::Json componentsOf(const checkpoint::Inspection& found)
{
    io::Json list = io::Json::array();
    for (const auto& c : found.components) {
        io::Json item = io::Json::object();
        item["name"] = c.name;
        item["kind"] = c.kind;
        item["tensors"] = c.tensors;
        item["parameters"] = c.parameters;
        item["dtype"] = c.dtype;
        item["bytes"] = c.bytes;
        list.push_back(item);
    }
    return list;
}

io::Json blocksOf(const checkpoint::Inspection& found)
{
    io::Json list = io::Json::array();
    for (const auto& b : found.blocks) {
        io::Json item = io::Json::object();
        item["name"] = b.name;
        item["parameters"] = b.parameters;
        item["trained"] = b.is_trained;
        list.push_back(item);
    }
    return list;
}

io::Json problemsOf(const checkpoint::Inspection& found)
{
    io::Json list = io::Json::array();
    for (const Error& problem : found.problems)
        list.push_back(problem.message);
    return list;
}

io::Json answerOf(const checkpoint::Inspection& found, const InspectOptions& o)
{
    io::Json json = io::Json::object();
    json["family"] = found.family;
    json["name"] = found.card.name;
    json["licence"] = found.card.licence;
    json["data"] = found.card.data;
    json["sha256"] = found.sha256;
    json["components"] = componentsOf(found);
    json["selection"] = o.selection;
    json["conditioner"] = !o.withoutConditioner;
    json["parameters"] = found.total_parameters;
    json["trained"] = found.trained_parameters;
    json["trained_tensors"] = found.trained_tensors;
    json["share"] = shareOf(found);
    json["dead"] = found.dead_parameters;
    json["blocks"] = blocksOf(found);
    json["classes"] = listOf(found.card.classes);
    json["notes"] = listOf(found.notes);
    json["problems"] = problemsOf(found);
    return json;
}

void show(const checkpoint::Inspection& found, const InspectOptions& o, const Output& output)
{
    output.line(fmt::format("{}\n{}  ({})", found.card.name, found.family, found.card.licence));
    for (const auto& c : found.components)
        output.line(fmt::format("  {:<15} {:<22} {:>5} tensors {:>14} parameters  {}", c.name,
                                c.kind, c.tensors, grouped(c.parameters), c.dtype));
    for (const std::string& note : found.notes)
        output.line("  note: " + note);
    for (const Error& problem : found.problems) {
        output.line("  problem: " + problem.message);
        if (!problem.hint.empty()) output.line("  way out: " + problem.hint);
    }
    output.line(fmt::format("  selection '{}'{} trains {} of {} ({:.1f} %) in {} tensors, {} {}",
                            o.selection, o.withoutConditioner ? " without the conditioner" : "",
                            grouped(found.trained_parameters), grouped(found.total_parameters),
                            100.0 * shareOf(found), found.trained_tensors,
                            grouped(found.dead_parameters),
                            o.keepDead ? "of them with a gradient of zero" : "left out as dead"));
    if (!found.sha256.empty()) output.line("  sha256 " + found.sha256);
}

int runInspect(const InspectOptions& o, const Context& context)
{
    const Output output = context.output();
    const auto found =
        checkpoint::inspect(o.folder, o.selection, !o.keepDead, !o.withoutConditioner, o.open);
    if (!found) return output.fail(found.error());
    show(*found, o, output);
    output.answer(answerOf(*found, o));
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
    case data::ProblemKind::NoClass:
        return "no_class";
    case data::ProblemKind::NoUnit:
        return "no_unit";
    case data::ProblemKind::OneClassOnly:
        return "one_class_only";
    case data::ProblemKind::FewUnits:
        return "few_units";
    case data::ProblemKind::UnusedRows:
        return "unused_rows";
    case data::ProblemKind::SharedImages:
        return "shared_images";
    }
    return "unknown";
}

/// How many images units have, and what else only the owner of the folder may know.
void showPrivateFigures(const data::Manifest& manifest, const Output& output, io::Json& json)
{
    std::vector<std::size_t> sizes;
    for (const data::Unit& unit : manifest.units)
        sizes.push_back(unit.images.size());
    std::ranges::sort(sizes);
    io::Json item = io::Json::object();
    item["least"] = sizes.front();
    item["median"] = sizes[sizes.size() / 2];
    item["most"] = sizes.back();
    json["images_of_a_unit"] = item;
    json["unused_rows"] = manifest.unused_rows;
    json["shared_images"] = manifest.shared_images;
    output.line(fmt::format("  images of a unit: {} to {}, median {}", sizes.front(), sizes.back(),
                            sizes[sizes.size() / 2]));
    if (manifest.unused_rows > 0)
        output.line(
            fmt::format("  rows of metadata.csv that name no file here: {}", manifest.unused_rows));
    if (manifest.shared_images > 0)
        output.line(fmt::format("  images of which another unit has the same bytes: {}",
                                manifest.shared_images));
}

/// What metadata.csv offers to whoever has not chosen a key.
void showSuggestion(const std::filesystem::path& folder, const Output& output, io::Json& json)
{
    const auto source = data::Source::open(folder);
    if (!source) return;
    const auto offered = data::offered_keys(**source);
    if (!offered) {
        output.line(fmt::format("  note: metadata.csv is of no use: {}", offered.error().message));
        return;
    }
    const auto& suggested = offered->suggested;
    if (!suggested) return;
    io::Json item = io::Json::object();
    item["unit_key"] = suggested->keys.unit;
    item["label_key"] = suggested->keys.label;
    item["unit"] = suggested->unit;
    json["suggested"] = item;
    const bool isPlain = suggested->keys.label == "folder";
    output.line(fmt::format("  to protect each {0} as a whole: --unit-key '{1}'{2}",
                            suggested->unit, suggested->keys.unit,
                            isPlain ? "" : " --label-key '" + suggested->keys.label + "'"));
}

struct ScanRequest {
    data::ScanOptions options;
    bool isPrivate = false;
};

int runScan(const std::filesystem::path& folder, ScanRequest request, const Context& context)
{
    const Output output = context.output();
    std::string& word = request.options.unit;
    if (word.empty()) word = data::unit_name_of(request.options.keys);
    if (word.empty()) word = "unit";
    Bar bar(output, "scanning");
    const auto manifest = scanSource(
        folder, context.stop,
        [&](std::int64_t done, std::int64_t total) {
            bar.update(static_cast<double>(done), static_cast<double>(total));
        },
        request.options);
    if (!manifest) return output.fail(manifest.error());
    bar.finish();
    io::Json json = io::Json::object();
    json["unit"] = word;
    json["units"] = manifest->units.size();
    json["images"] = manifest->images.size();
    io::Json classes = io::Json::array();
    output.line(fmt::format("{} units (each one {}), {} images, {} {} (private numbers)",
                            grouped(static_cast<long long>(manifest->units.size())), word,
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
        if (request.isPrivate && !p.name.empty()) item["file"] = p.name;
        problems.push_back(item);
        output.line(fmt::format("  {}: {}{}", p.blocks ? "problem" : "note",
                                p.name.empty() ? "" : p.name + ": ", p.message));
    }
    json["problems"] = problems;
    if (request.isPrivate) showPrivateFigures(*manifest, output, json);
    if (request.options.keys == data::Keys{}) showSuggestion(folder, output, json);
    output.answer(json);
    return Ok;
}

} // namespace

void addKeys(CLI::App& command, data::Keys& keys, std::string& unit)
{
    command
        .add_option("--unit-key", keys.unit,
                    "What a unit is known by: file, folder, column:NAME of metadata.csv, or "
                    "pattern:RE with one group")
        ->capture_default_str();
    command
        .add_option("--label-key", keys.label,
                    "What a class is known by: folder, column:NAME or pattern:RE")
        ->capture_default_str();
    command.add_option("--unit", unit, "What a unit is called: patient, study, ...");
}

void addInspect(CLI::App& app, Context& context)
{
    struct Options {
        std::filesystem::path path, inputs, outputs;
        std::string component;
        checkpoint::OpenOptions open;
        ScanRequest scan{.options = {.keys = {}, .unit = {}}};
    };
    auto o = std::make_shared<Options>();
    CLI::App* inspect = app.add_subcommand("inspect", "What a checkpoint is and what would train");
    auto look = std::make_shared<InspectOptions>();
    inspect->add_option("checkpoint", look->folder, "Checkpoint folder or file")->required();
    inspect->add_option("--select", look->selection, kSelections)->capture_default_str();
    inspect->add_flag("--keep-dead", look->keepDead, "Count tensors whose gradient is always zero");
    inspect->add_flag("--no-conditioner", look->withoutConditioner,
                      "Count without the class table or text encoder");
    addOpenOptions(*inspect, look->open);
    inspect->callback([look, &context] { context.exitCode = runInspect(*look, context); });

    CLI::App* scan = app.add_subcommand("scan", "What a folder or zip of private images holds");
    scan->add_option("folder", o->path, "Folder or zip")->required();
    addKeys(*scan, o->scan.options.keys, o->scan.options.unit);
    scan->add_flag("--private", o->scan.isPrivate,
                   "Show how many images units have; let --json name the files of problems");
    scan->callback([o, &context] { context.exitCode = runScan(o->path, o->scan, context); });

    CLI::App* forward = app.add_subcommand("forward", "Run one component on given tensors");
    forward->add_option("checkpoint", o->path, "Checkpoint folder or file")->required();
    forward
        ->add_option("--component", o->component, "unet, vae_encoder, vae_decoder or text_encoder")
        ->required();
    forward->add_option("--inputs", o->inputs, "safetensors file to read")->required();
    forward->add_option("--outputs", o->outputs, "safetensors file to write")->required();
    addOpenOptions(*forward, o->open);
    forward->callback([o, &context] {
        const auto done =
            checkpoint::forward_component(o->path, o->component, o->inputs, o->outputs, o->open);
        context.exitCode = done ? Ok : context.output().fail(done.error());
    });
}

} // namespace velamen::app
