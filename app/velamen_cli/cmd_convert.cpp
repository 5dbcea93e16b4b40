// SPDX-License-Identifier: GPL-3.0-or-later
//
// convert: a checkpoint in another format, and the options that say what a file leaves open.

#include <map>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "engine/checkpoint/convert.h"

namespace velamen::app {

void addOpenOptions(CLI::App& command, checkpoint::OpenOptions& o)
{
    using Ema = checkpoint::OpenOptions::Ema;
    static const std::map<std::string, Ema> choices{
        {"prefer", Ema::Prefer}, {"require", Ema::Require}, {"ignore", Ema::Ignore}};
    command
        .add_option("--ema", o.ema,
                    "Averaged weights of a single file: prefer them, require or ignore them")
        ->transform(CLI::CheckedTransformer(choices, CLI::ignore_case))
        ->default_str("prefer");
    command
        .add_option("--heads", o.heads,
                    "Attention heads of the UNet, one number or one a level: a single file does "
                    "not tell them")
        ->delimiter(',');
    command.add_option("--head-channels", o.head_channels, "Or the channels of a head")
        ->check(CLI::Range(1, 65536));
    command.add_option("--text-heads", o.text_heads, "Attention heads of the text encoder")
        ->check(CLI::Range(1, 65536));
    command.add_option("--betas", o.betas, "First and last beta of the noise schedule")
        ->expected(2)
        ->delimiter(',');
    command
        .add_option("--prediction", o.prediction,
                    "What the UNet predicts, where a file leaves it "
                    "open")
        ->check(CLI::IsMember({"eps", "v", "sample"}));
    command.add_option("--vae", o.autoencoder,
                       "Checkpoint or file to take the autoencoder from in place of its own");
}

void addConvert(CLI::App& app, Context& context)
{
    struct Options {
        checkpoint::ConvertRequest request;
        std::string dtype;
    };
    auto o = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "convert", "Write a checkpoint in another format: folder, single file, element type");
    command->add_option("from", o->request.from, "Checkpoint folder, .ckpt or .safetensors")
        ->required();
    command
        ->add_option("to", o->request.to,
                     "Folder in diffusers' layout, or a .safetensors file in CompVis's")
        ->required();
    command->add_option("--dtype", o->dtype, "Element type of all weights (default: as they are)")
        ->check(CLI::IsMember({"f32", "f16", "bf16"}));
    addOpenOptions(*command, o->request.options);
    command->callback([o, &context] {
        const Output output = context.output();
        if (!o->dtype.empty())
            o->request.dtype = o->dtype == "f32" ? DType::F32
                : o->dtype == "f16"              ? DType::F16
                                                 : DType::BF16;
        const auto notes = checkpoint::convert(o->request);
        if (!notes) {
            context.exitCode = output.fail(notes.error());
            return;
        }
        io::Json list = io::Json::array();
        for (const std::string& note : *notes) {
            list.push_back(note);
            output.line("note: " + note);
        }
        output.line(fmt::format("written: {}", o->request.to.string()));
        io::Json json = io::Json::object();
        json["checkpoint"] = o->request.to.string();
        json["notes"] = list;
        output.answer(json);
        context.exitCode = Ok;
    });
}

} // namespace velamen::app
