// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/checkpoint/misfits.h"

#include <optional>

#include "engine/checkpoint/card.h"
#include "engine/checkpoint/prompts.h"
#include "engine/diffusion/schedule.h"
#include "engine/nn/autoencoder/any_config.h"
#include "engine/nn/conditioner/any_config.h"
#include "engine/nn/unet/any_config.h"

namespace velamen::checkpoint {

namespace {

template <class T>
std::optional<T> kept(Result<T> result, std::vector<Error>& out)
{
    if (result) return std::move(*result);
    out.push_back(std::move(result.error()));
    return std::nullopt;
}

Error corrupt(std::string message, std::string hint = "the parts must come from the same model")
{
    return {ErrorCode::Corrupt, std::move(message), std::move(hint)};
}

void check_channels(const nn::UNetPlan& unet, const nn::AutoencoderSizes& autoencoder,
                    std::vector<Error>& out)
{
    const std::int64_t latent = autoencoder.latent_channels;
    const auto says = [](std::int64_t n) { return std::to_string(n); };
    if (unet.in_channels == 9 && latent == 4)
        out.push_back({ErrorCode::Unsupported,
                       "this is an inpainting UNet: its 9 inputs need a mask and masked latents",
                       "choose the checkpoint that it was made from"});
    else if (unet.in_channels != latent)
        out.push_back(corrupt("the UNet takes " + says(unet.in_channels)
                              + " channels, but the autoencoder's latents have " + says(latent)));
    else if (unet.out_channels != latent)
        out.push_back(corrupt("the UNet gives " + says(unet.out_channels)
                              + " channels, but the autoencoder's latents have " + says(latent)));
}

} // namespace

std::vector<Error> misfits_of(const Opened& opened)
{
    std::vector<Error> out;
    std::optional<nn::UNetPlan> unet;
    std::optional<nn::AutoencoderSizes> autoencoder;
    std::int64_t rows = 0;
    if (opened.unet)
        if (const auto config = kept(nn::UNetConfig::from_json(opened.unet->config), out))
            unet = config->plan();
    if (opened.autoencoder)
        if (const auto config =
                kept(nn::AutoencoderConfig::from_json(opened.autoencoder->config), out))
            autoencoder = config->sizes();
    if (unet && autoencoder) check_channels(*unet, *autoencoder, out);
    if (unet && unet->class_rows > 0)
        out.push_back({ErrorCode::Unsupported,
                       "the UNet has a class table beside the timestep (num_class_embeds), which "
                       "only `forward` computes",
                       "choose a checkpoint that takes classes or text as context"});
    if (opened.conditioner) {
        const auto config = kept(
            nn::ConditionerConfig::from_json(opened.conditioner->kind, opened.conditioner->config),
            out);
        if (config) rows = config->rows();
        if (config && unet && config->dim() != unet->context_channels)
            out.push_back(corrupt("the UNet's context has " + std::to_string(unet->context_channels)
                                  + " channels, but " + opened.conditioner->name + " gives "
                                  + std::to_string(config->dim())));
        if (config && config->is_text() && !opened.card.caption.empty())
            kept(caption_of(opened.card.caption, ""), out);
    }
    if (opened.scheduler.is_object()) kept(diffusion::Schedule::from_json(opened.scheduler), out);
    if (autoencoder
        && (opened.card.image_size < 0 || opened.card.image_size % autoencoder->factor != 0))
        out.push_back(
            corrupt("image_size in velamen.json is no multiple of the autoencoder's factor "
                        + std::to_string(autoencoder->factor),
                    "use another copy of the checkpoint"));
    if (unet && autoencoder)
        for (std::string& problem :
             card_problems(opened.card, rows, autoencoder->latent_channels, unet->sample_size))
            out.push_back(corrupt(std::move(problem), "use another copy of the checkpoint"));
    return out;
}

Result<Opened> open_usable(const std::filesystem::path& path, const OpenOptions& options)
{
    VELAMEN_ASSIGN(Opened opened, open_checkpoint(path, options));
    if (!opened.problems.empty()) return fail(opened.problems.front());
    if (const auto misfits = misfits_of(opened); !misfits.empty()) return fail(misfits.front());
    return opened;
}

} // namespace velamen::checkpoint
