// SPDX-License-Identifier: GPL-3.0-or-later
//
// Ranges of a plan: the shapes are checked by the models' own configs.

#include "engine/train/public/plan_json.h"

#include <algorithm>
#include <cmath>

#include "engine/train/public/autoencoder_stage.h"
#include "engine/train/public/unet_stage.h"

namespace velamen::train {

namespace {

io::Json list(const std::vector<std::int64_t>& values)
{
    io::Json array = io::Json::array();
    for (const std::int64_t value : values)
        array.push_back(value);
    return array;
}

template <class Number>
Result<> in_range(const char* name, Number value, Number low, Number high)
{
    if (value >= low && value <= high) // false for NaN
        return {};
    return fail(ErrorCode::InvalidArgument,
                std::string(name) + " is outside its range of " + io::Json(low).dump() + " to "
                    + io::Json(high).dump());
}

} // namespace

io::Json identity_of(const PretrainPlan& plan)
{
    io::Json::Object fields{
        {"source", std::filesystem::weakly_canonical(plan.source).string()},
        {"image_size", plan.image_size},
        {"image_channels", plan.image_channels},
        {"latent_channels", plan.latent_channels},
        {"vae_channels", list(plan.vae_channels)},
        {"unet_channels", list(plan.unet_channels)},
        {"unet_head_count", plan.unet_head_count},
        {"unet_groups", plan.unet_groups},
        {"cross_attention_dim", plan.cross_attention_dim},
        {"autoencoder_steps", plan.autoencoder_steps},
        {"unet_steps", plan.unet_steps},
        {"autoencoder_batch", plan.autoencoder_batch},
        {"unet_batch", plan.unet_batch},
        {"autoencoder_rate", plan.autoencoder_rate},
        {"unet_rate", plan.unet_rate},
        {"kl_weight", plan.kl_weight},
        {"seed", std::to_string(plan.seed)},
        {"bf16", plan.bf16},
    };
    if (plan.captions) {
        fields.emplace_back("captions", true);
        fields.emplace_back("text_layers", plan.text_layers);
        fields.emplace_back("text_heads", plan.text_heads);
        fields.emplace_back("text_tokens", plan.text_tokens);
    }
    return io::Json(std::move(fields));
}

Result<> check(const PretrainPlan& plan)
{
    using I = std::int64_t;
    VELAMEN_TRY(in_range<I>("the image size", plan.image_size, 8, 1024));
    VELAMEN_TRY(in_range<I>("the number of latent channels", plan.latent_channels, 1, 64));
    VELAMEN_TRY(
        in_range<I>("the number of autoencoder steps", plan.autoencoder_steps, 1, 10'000'000));
    VELAMEN_TRY(in_range<I>("the number of UNet steps", plan.unet_steps, 1, 10'000'000));
    VELAMEN_TRY(in_range<I>("the batch of the autoencoder", plan.autoencoder_batch, 1, 65536));
    VELAMEN_TRY(in_range<I>("the batch of the UNet", plan.unet_batch, 1, 65536));
    VELAMEN_TRY(in_range("the autoencoder's learning rate", plan.autoencoder_rate, 1e-8, 1.0));
    VELAMEN_TRY(in_range("the UNet's learning rate", plan.unet_rate, 1e-8, 1.0));
    VELAMEN_TRY(in_range("the weight of the KL term", plan.kl_weight, 0.0, 1.0));
    if (plan.image_channels != 1 && plan.image_channels != 3)
        return fail(ErrorCode::InvalidArgument,
                    "images have 1 or 3 channels, not " + std::to_string(plan.image_channels));
    for (const auto* widths : {&plan.vae_channels, &plan.unet_channels}) {
        if (widths->empty() || widths->size() > 6)
            return fail(ErrorCode::InvalidArgument, "a model has 1 to 6 levels of channels");
        for (const std::int64_t width : *widths)
            VELAMEN_TRY(in_range<I>("a number of channels", width, 4, 4096));
    }
    const auto vae = autoencoder_config(plan);
    VELAMEN_TRY(vae.check());
    if (plan.image_size % vae.factor() != 0)
        return fail(ErrorCode::InvalidArgument,
                    "an image size of " + std::to_string(plan.image_size)
                        + " does not divide by the autoencoder's factor of "
                        + std::to_string(vae.factor()),
                    "choose a multiple of it, or fewer levels");
    if (plan.captions) {
        VELAMEN_TRY(in_range<I>("the number of text layers", plan.text_layers, 1, 64));
        VELAMEN_TRY(in_range<I>("the number of tokens to a prompt", plan.text_tokens, 4, 77));
        VELAMEN_TRY(text_config(plan).check());
    }
    return unet_config(plan).check();
}

} // namespace velamen::train
