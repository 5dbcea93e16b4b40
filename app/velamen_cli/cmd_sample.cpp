// SPDX-License-Identifier: GPL-3.0-or-later
//
// sample: images from a checkpoint as PNG files. Costs no privacy.

#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "app/velamen_cli/sampling.h"
#include "engine/core/file.h"
#include "engine/image/codec.h"

namespace velamen::app {

namespace {

namespace fs = std::filesystem;

int run(const fs::path& checkpoint, const SamplingOptions& options, const fs::path& out,
        const Context& context)
{
    const Output output = context.output();
    const auto images = drawImages(checkpoint, options, context);
    if (!images) return output.fail(images.error());
    if (const auto made = core::make_directory(out); !made) return output.fail(made.error());
    for (std::size_t i = 0; i < images->size(); ++i) {
        const auto& image = (*images)[i];
        const std::map<std::string, std::string> text{
            {"Software", "Velamen"},
            {"parameters",
             fmt::format("{}, seed {}, guidance {}, sampler {}, steps {}",
                         (options.prompts.empty() ? "class " : "prompt ") + image.class_name,
                         image.seed, image.guidance, image.sampler, image.steps)}};
        const auto png = image::encode_png(image.image, text);
        if (!png) return output.fail(png.error());
        if (const auto saved = core::write_file(out / fmt::format("{:05}.png", i),
                                                std::span<const std::byte>(*png));
            !saved)
            return output.fail(saved.error());
    }
    if (const auto sheet = writeSheet(*images, options.count, 16, out / "sheet.png"); !sheet)
        return output.fail(sheet.error());
    io::Json json = io::Json::object();
    json["images"] = images->size();
    json["folder"] = out.string();
    json["sheet"] = (out / "sheet.png").string();
    output.answer(json);
    output.line(
        fmt::format("{} images in {}, all at a glance in sheet.png", images->size(), out.string()));
    return Ok;
}

} // namespace

void addSample(CLI::App& app, Context& context)
{
    struct Options {
        fs::path checkpoint, out;
        SamplingOptions sampling;
    };
    auto o = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("sample", "Draw images from a checkpoint by class or prompt");
    command->add_option("checkpoint", o->checkpoint, "Checkpoint folder or file")->required();
    command->add_option("--out", o->out, "Folder for the PNG files")->required();
    addSamplingOptions(*command, o->sampling);
    command->callback(
        [o, &context] { context.exitCode = run(o->checkpoint, o->sampling, o->out, context); });
}

} // namespace velamen::app
