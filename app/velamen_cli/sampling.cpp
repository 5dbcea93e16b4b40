// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen_cli/sampling.h"

#include <algorithm>

#include "app/velamen_cli/progress.h"
#include "engine/core/file.h"
#include "engine/image/codec.h"

namespace velamen::app {

void addSamplingOptions(CLI::App& command, SamplingOptions& o)
{
    command.add_option("--class", o.classes, "Classes to draw (default: all)");
    command.add_option("--prompt", o.prompts,
                       "Sentences to draw in place of classes (text-conditional checkpoints); "
                       "(word:1.3) weighs a word");
    command.add_option("--negative", o.negative, "What guidance leads away from");
    command.add_option("--count", o.count, "Images of each class or prompt")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    command.add_option("--seed", o.seed, "First seed; image i has seed + i")->capture_default_str();
    command
        .add_option("--guidance", o.guidance,
                    "Guidance w: v_cond + w (v_cond - v_null), 0: off (elsewhere 1 + w)")
        ->check(CLI::Range(0.0, 50.0))
        ->capture_default_str();
    command.add_option("--guidance-rescale", o.rescale, "Guidance rescale phi, 0: off")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    command.add_option("--size", o.imageSize, "Side of an image (default: the checkpoint's own)")
        ->check(CLI::Range(8, 4096));
    command.add_option("--steps", o.steps, "Sampler steps")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command.add_option("--eta", o.eta, "DDIM's eta")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    std::vector<std::string> samplers;
    for (const auto kind : generate::kSamplerKinds)
        samplers.emplace_back(generate::name_of(kind));
    command.add_option("--sampler", o.sampler, "Way from noise to image")
        ->check(CLI::IsMember(samplers))
        ->capture_default_str();
}

namespace {

Result<> check(const generate::GenerationSession& session, const SamplingOptions& o)
{
    if (!o.prompts.empty() && !o.classes.empty())
        return velamen::fail(ErrorCode::InvalidArgument, "--class and --prompt exclude each other",
                             "choose one of them");
    if (!o.negative.empty() && o.prompts.empty())
        return velamen::fail(ErrorCode::InvalidArgument, "--negative goes with --prompt",
                             "say with --prompt what to draw");
    if (!o.prompts.empty() && !session.takes_prompts())
        return velamen::fail(ErrorCode::InvalidArgument, "this checkpoint does not take prompts",
                             "draw with --class, or choose a text-conditional checkpoint");
    if (o.prompts.empty() && session.classes().empty())
        return velamen::fail(ErrorCode::InvalidArgument, "this checkpoint has no classes",
                             "say with --prompt what to draw");
    return {};
}

} // namespace

Result<std::vector<release::ReleaseImage>> drawImages(const std::filesystem::path& checkpoint,
                                                      const SamplingOptions& o,
                                                      const Context& context)
{
    VELAMEN_ASSIGN(const auto session, generate::GenerationSession::open(checkpoint));
    const Output output = context.output();
    const std::vector<std::string>& names = o.prompts.empty() ? session->classes() : o.prompts;
    VELAMEN_TRY(check(*session, o));
    for (const auto& cut : {o.prompts, std::vector<std::string>{o.negative}}) {
        if (o.prompts.empty()) break;
        VELAMEN_ASSIGN(const auto notes, session->prompt_notes(cut));
        for (const std::string& note : notes)
            output.line("note: " + note);
    }
    std::vector<int> wanted;
    for (const std::string& name : o.classes) {
        const auto at = std::find(names.begin(), names.end(), name);
        if (at == names.end()) {
            std::string list;
            for (const std::string& known : names)
                list += (list.empty() ? "" : ", ") + known;
            return velamen::fail(ErrorCode::InvalidArgument,
                                 "the checkpoint has no class '" + name + "'",
                                 "its classes are: " + list);
        }
        wanted.push_back(static_cast<int>(at - names.begin()));
    }
    if (wanted.empty())
        for (std::size_t i = 0; i < names.size(); ++i)
            wanted.push_back(static_cast<int>(i));

    generate::GenerationRequest request;
    for (const int class_index : wanted)
        request.classes.insert(request.classes.end(), static_cast<std::size_t>(o.count),
                               class_index);
    request.prompts = o.prompts;
    request.negative = o.negative;
    request.guidance_rescale = o.rescale;
    request.image_size = o.imageSize;
    request.seed = o.seed;
    request.guidance = o.guidance;
    request.steps = o.steps;
    request.eta = o.eta;
    request.sampler = generate::sampler_of(o.sampler).value_or(request.sampler);
    std::vector<release::ReleaseImage> images(request.classes.size());
    Bar bar(output, "sampling");
    const auto receive = [&](const generate::GeneratedImage& g) {
        images[static_cast<std::size_t>(g.index)] = {names[static_cast<std::size_t>(g.class_index)],
                                                     g.seed,
                                                     o.guidance,
                                                     o.steps,
                                                     o.sampler,
                                                     g.image};
    };
    VELAMEN_TRY(session->run(request, context.stop, receive,
                             [&](double done, double total) { bar.update(done, total); }));
    bar.finish(std::to_string(images.size()) + " images");
    return images;
}

Result<> writeSheet(const std::vector<release::ReleaseImage>& images, int perClass, int columns,
                    const std::filesystem::path& png)
{
    std::vector<image::Image> shown;
    columns = std::min(columns, perClass);
    for (std::size_t row = 0; row < images.size(); row += static_cast<std::size_t>(perClass))
        for (int column = 0; column < columns; ++column)
            shown.push_back(images[row + static_cast<std::size_t>(column)].image);
    VELAMEN_ASSIGN(const auto bytes, image::encode_png(image::contact_sheet(shown, columns)));
    return core::write_file(png, std::span<const std::byte>(bytes));
}

} // namespace velamen::app
