// SPDX-License-Identifier: GPL-3.0-or-later
//
// export: a run's images as a zip with a certificate. verify: recompute everything such a zip
// claims.

#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "app/velamen_cli/sampling.h"
#include "app/wiring.h"

namespace velamen::app {

namespace {

namespace fs = std::filesystem;

int runExport(const fs::path& run, const SamplingOptions& options, const fs::path& out,
              const Context& context)
{
    const Output output = context.output();
    auto request = releaseRequestOf(run);
    if (!request) return output.fail(request.error());
    const auto record = train::read_run(run);
    if (!record) return output.fail(record.error());
    auto images = drawImages(record->checkpoint, options, context);
    if (!images) return output.fail(images.error());
    request->images = std::move(*images);
    const auto summary = release::write_release(*request, out, context.stop);
    if (!summary) return output.fail(summary.error());
    io::Json json = io::Json::object();
    json["zip"] = summary->path.string();
    json["status"] = summary->status;
    json["images"] = summary->images;
    json["epsilon"] = summary->epsilon;
    json["epsilon_spent"] = summary->epsilon_spent;
    json["epsilon_rdp"] = summary->epsilon_rdp;
    json["epsilon_dataset"] = summary->epsilon_dataset;
    output.answer(json);
    output.line(fmt::format("{}: {} images, certificate {}, epsilon {:.4f} (spent {:.4f})",
                            summary->path.string(), summary->images, summary->status,
                            summary->epsilon, summary->epsilon_spent));
    return Ok;
}

int runVerify(const fs::path& zip, const Context& context)
{
    const Output output = context.output();
    const auto found = release::verify(zip);
    if (!found) return output.fail(found.error());
    io::Json json = io::Json::object();
    json["valid"] = found->is_valid;
    json["status"] = found->status;
    json["epsilon"] = found->epsilon;
    json["epsilon_recomputed"] = found->epsilon_recomputed;
    json["epsilon_rdp"] = found->epsilon_rdp;
    json["delta"] = found->delta;
    json["noise"] = found->noise;
    json["rate"] = found->rate;
    json["steps"] = found->steps;
    json["neighbours"] = found->neighbours;
    json["images"] = found->images;
    io::Json findings = io::Json::array();
    for (const auto& f : found->findings) {
        io::Json item = io::Json::object();
        item["file"] = f.file;
        item["message"] = f.message;
        findings.push_back(item);
        output.line(fmt::format("  {}: {}", f.file, f.message));
    }
    json["findings"] = findings;
    output.answer(json);
    output.line(found->is_valid
                    ? fmt::format("valid: {} images, epsilon {:.4f} recomputed from {} ledger "
                                  "lines, declared {:.4f}, delta {:g}; certificate status {}",
                                  found->images, found->epsilon_recomputed, found->ledger_lines,
                                  found->epsilon, found->delta, found->status)
                    : fmt::format("NOT VALID: {} {}", found->findings.size(),
                                  found->findings.size() == 1 ? "finding" : "findings"));
    return found->is_valid ? Ok : Refused;
}

} // namespace

void addRelease(CLI::App& app, Context& context)
{
    struct Options {
        fs::path run, out, zip;
        SamplingOptions sampling;
    };
    auto o = std::make_shared<Options>();
    o->sampling.count = 100;
    CLI::App* write = app.add_subcommand("export", "Draw images from a run and release them");
    write->add_option("run", o->run, "Run folder")->required();
    write->add_option("--out", o->out, "Zip to write")->required();
    addSamplingOptions(*write, o->sampling);
    write->callback(
        [o, &context] { context.exitCode = runExport(o->run, o->sampling, o->out, context); });

    CLI::App* check = app.add_subcommand("verify", "Recompute everything that a release claims");
    check->add_option("zip", o->zip, "Release zip")->required();
    check->callback([o, &context] { context.exitCode = runVerify(o->zip, context); });
}

} // namespace velamen::app
