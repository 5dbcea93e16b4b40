// SPDX-License-Identifier: GPL-3.0-or-later
//
// make-letters: the public letters set. pretrain: a base checkpoint from public images. Nothing
// private.

#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "app/velamen_cli/progress.h"
#include "engine/data/free_fonts.h"
#include "engine/data/letters.h"
#include "engine/train/public/pretrain.h"

namespace velamen::app {

namespace {

namespace fs = std::filesystem;

int runLetters(data::LettersPlan plan, const Context& context)
{
    const Output output = context.output();
    if (plan.fonts.empty()) plan.fonts = data::find_free_fonts();
    Bar bar(output, "letters");
    const auto report =
        data::make_letters(plan, context.stop, [&](std::int64_t done, std::int64_t total) {
            bar.update(static_cast<double>(done), static_cast<double>(total));
        });
    if (!report) return output.fail(report.error());
    bar.finish();
    io::Json json = io::Json::object();
    json["images"] = plan.images;
    json["fonts"] = plan.fonts.size();
    json["out"] = plan.out.string();
    io::Json families = io::Json::array();
    for (const auto& f : report->families) {
        io::Json item = io::Json::object();
        item["family"] = f.family;
        item["package"] = f.package;
        item["licence"] = f.licence;
        families.push_back(item);
    }
    json["families"] = families;
    output.answer(json);
    output.line(fmt::format("{} letters from {} font files in {}", grouped(plan.images),
                            plan.fonts.size(), plan.out.string()));
    return Ok;
}

int runPretrain(train::PretrainPlan plan, const Context& context)
{
    const Output output = context.output();
    plan.source = fs::absolute(plan.source);
    plan.out = fs::absolute(plan.out);
    auto session = train::pretrain(plan);
    if (!session) return output.fail(session.error());
    train::Mailbox mailbox;
    ConsoleObserver observer(output);
    const auto outcome = (*session)->run(context.stop, mailbox, observer);
    if (!outcome) {
        if (outcome.error().code == ErrorCode::Cancelled)
            output.line("stopped safely; the same command goes on where it was");
        return output.fail(outcome.error());
    }
    io::Json json = io::Json::object();
    json["event"] = "done";
    json["checkpoint"] = plan.out.string();
    output.event(json);
    output.line("checkpoint " + plan.out.string());
    return Ok;
}

} // namespace

void addPublic(CLI::App& app, Context& context)
{
    auto l = std::make_shared<data::LettersPlan>();
    CLI::App* letters =
        app.add_subcommand("make-letters", "Render the public letters set (no digits)");
    letters->add_option("--out", l->out, "Zip or folder to write")->required();
    letters->add_option("--images", l->images, "How many")
        ->check(CLI::Range(52, 100000000))
        ->capture_default_str();
    letters->add_option("--seed", l->seed, "Seed")->capture_default_str();
    letters->add_option("--threads", l->threads, "Threads")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    letters->add_option("--font", l->fonts, "Font files (default: the free fonts installed)");
    letters->callback([l, &context] { context.exitCode = runLetters(*l, context); });

    auto p = std::make_shared<train::PretrainPlan>();
    CLI::App* pretrain = app.add_subcommand(
        "pretrain", "Train a base checkpoint on public images (class = subfolder, or by caption)");
    pretrain->add_option("folder", p->source, "Public folder or zip")->required();
    pretrain->add_option("--out", p->out, "Checkpoint folder to write")->required();
    pretrain->add_flag("--captions", p->captions,
                       "Train a text encoder on the column caption of metadata.csv, not classes");
    pretrain->add_option("--size", p->image_size, "Image side in pixels")->capture_default_str();
    pretrain->add_option("--channels", p->image_channels, "1 grey, 3 colour")
        ->check(CLI::IsMember({1, 3}))
        ->capture_default_str();
    pretrain->add_option("--autoencoder-steps", p->autoencoder_steps, "")->capture_default_str();
    pretrain->add_option("--unet-steps", p->unet_steps, "")->capture_default_str();
    pretrain->add_option("--autoencoder-batch", p->autoencoder_batch, "Images a step")
        ->capture_default_str();
    pretrain->add_option("--unet-batch", p->unet_batch, "Images a step")->capture_default_str();
    pretrain->add_option("--latent-channels", p->latent_channels, "Of the autoencoder")
        ->capture_default_str();
    pretrain->add_option("--autoencoder-channels", p->vae_channels, "Widths, one a level")
        ->delimiter(',');
    pretrain->add_option("--unet-channels", p->unet_channels, "Widths, one a level")
        ->delimiter(',');
    pretrain->add_option("--seed", p->seed, "Seed")->capture_default_str();
    pretrain->add_option("--licence", p->licence, "Licence of the images, kept in velamen.json");
    pretrain->add_option("--data-note", p->data_note, "What the images are, kept in velamen.json");
    pretrain->callback([p, &context] { context.exitCode = runPretrain(*p, context); });
}

} // namespace velamen::app
