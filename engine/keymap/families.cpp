// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sources: the yaml files of CompVis/latent-diffusion, CompVis/stable-diffusion,
// Stability-AI/stablediffusion and ParkLabML/DP-LDM, and the published scheduler configs.

#include "engine/keymap/families.h"

#include <algorithm>

#include "engine/keymap/config.h"

namespace velamen::keymap {

namespace {

constexpr Betas kStable{0.00085, 0.012};
constexpr Betas kLatent{0.0015, 0.0195};
constexpr Betas kSmallImages{0.0015, 0.0155}; // DP-LDM's CIFAR-10 and MNIST
constexpr double kStableScale = 0.18215;

UnetPlan stable(std::int64_t context, bool has_linear_projections)
{
    return {.widths = {320, 640, 1280, 1280},
            .has_attention = {true, true, true, false},
            .context = context,
            .has_linear_projections = has_linear_projections};
}

UnetPlan conditional(std::vector<std::int64_t> widths, std::vector<bool> has_attention,
                     std::int64_t context)
{
    return {.in_channels = 3,
            .out_channels = 3,
            .widths = std::move(widths),
            .has_attention = std::move(has_attention),
            .context = context};
}

UnetPlan unconditional(std::vector<std::int64_t> widths, std::vector<bool> has_attention)
{
    UnetPlan plan = conditional(std::move(widths), std::move(has_attention), 0);
    plan.attention = UnetPlan::Attention::ToSelf;
    return plan;
}

/// Time scales and shifts, residual blocks between the levels.
UnetPlan with_resnets(UnetPlan plan)
{
    plan.has_scale_shift = plan.resamples_by_resnet = true;
    return plan;
}

const std::vector<Family>& families()
{
    static const std::vector<Family> all{
        {.name = "sd1",
         .shapes = stable(768, false),
         .heads = {8},
         .betas = kStable,
         .sample_size = 64,
         .scaling_factor = kStableScale,
         .is_pndm = true},
        {.name = "sd2",
         .shapes = stable(1024, true),
         .heads = {5, 10, 20, 20},
         .betas = kStable,
         .sample_size = 64,
         .scaling_factor = kStableScale,
         .is_pndm = true},
        {.name = "text2im",
         .shapes = stable(1280, false),
         .heads = {8},
         .betas = kStable,
         .sample_size = 32,
         .scaling_factor = kStableScale},
        {.name = "cin256",
         .shapes = conditional({192, 384, 576, 960}, {false, true, true, true}, 512),
         .heads = {1},
         .betas = kLatent,
         .sample_size = 64},
        {.name = "celebahq",
         .shapes = unconditional({224, 448, 672, 896}, {false, true, true, true}),
         .head_channels = 32,
         .betas = kLatent,
         .sample_size = 64},
        {.name = "dp-ldm-cifar",
         .shapes = conditional({128, 256, 256, 512}, {true, true, true, false}, 512),
         .choices = "heads 8 (DP-LDM's config of finetuning) or head_channels 8 (that of "
                    "pretraining)",
         .betas = kSmallImages,
         .sample_size = 16},
        {.name = "dp-ldm-emnist",
         .shapes = with_resnets(conditional({64, 128}, {true, true}, 5)),
         .choices = "heads 4 (DP-LDM's config of finetuning) or heads 2 (that of pretraining)",
         .betas = kSmallImages,
         .sample_size = 4},
        {.name = "dp-ldm-celeba32",
         .shapes = with_resnets(unconditional({192, 384, 768}, {true, true, true})),
         .head_channels = 32,
         .betas = kLatent,
         .sample_size = 16},
        {.name = "dp-ldm-celeba64",
         .shapes = with_resnets(unconditional({128, 256, 512}, {true, true, true})),
         .heads = {8},
         .betas = kLatent,
         .sample_size = 32},
    };
    return all;
}

bool has_the_shapes(const UnetPlan& plan, const UnetPlan& shapes)
{
    return plan.attention == shapes.attention && plan.in_channels == shapes.in_channels
        && plan.widths == shapes.widths && plan.has_attention == shapes.has_attention
        && plan.context == shapes.context
        && plan.has_linear_projections == shapes.has_linear_projections
        && plan.has_scale_shift == shapes.has_scale_shift
        && plan.resamples_by_resnet == shapes.resamples_by_resnet;
}

/// One number for all levels, or one for each.
Result<std::vector<std::int64_t>> for_levels(const std::vector<std::int64_t>& heads,
                                             const UnetPlan& plan)
{
    auto all = heads;
    if (all.size() == 1) all.assign(plan.widths.size(), heads.front());
    if (all.size() != plan.widths.size())
        return fail(ErrorCode::InvalidArgument,
                    std::to_string(heads.size()) + " numbers of attention heads for "
                        + std::to_string(plan.widths.size()) + " levels",
                    "pass one number, or one for each level");
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i] < 1 || all[i] > 1 << 16
            || (plan.widths[i] % all[i] != 0 && (plan.has_attention[i] || i + 1 == all.size())))
            return fail(ErrorCode::InvalidArgument,
                        std::to_string(all[i]) + " attention heads do not divide the "
                            + std::to_string(plan.widths[i]) + " channels of a level",
                        "pass a number that divides them");
    return all;
}

Result<std::vector<std::int64_t>> by_channels(std::int64_t channels, const UnetPlan& plan)
{
    std::vector<std::int64_t> heads;
    for (std::size_t i = 0; i < plan.widths.size(); ++i) {
        if (channels < 1 || plan.widths[i] % channels != 0)
            return fail(ErrorCode::InvalidArgument,
                        "heads of " + std::to_string(channels) + " channels do not divide the "
                            + std::to_string(plan.widths[i]) + " channels of a level",
                        "pass a number that divides them");
        heads.push_back(plan.widths[i] / channels);
    }
    return heads;
}

const char* name_of(Prediction prediction)
{
    switch (prediction) {
    case Prediction::Epsilon:
        return "epsilon";
    case Prediction::VPrediction:
        return "v_prediction";
    case Prediction::Sample:
        return "sample";
    }
    return "epsilon";
}

bool is_sd2(const Family* family) { return family != nullptr && family->name == "sd2"; }

Result<Prediction> prediction_of(const Family* family, const SingleFileOptions& options,
                                 std::vector<std::string>& notes)
{
    constexpr std::int64_t kBaseStep = 875000; // of the published 512-base file
    if (options.prediction) {
        notes.push_back(std::string("prediction: ") + name_of(*options.prediction) + ", as told");
        return *options.prediction;
    }
    if (!is_sd2(family)) {
        notes.push_back(family != nullptr ? "prediction: epsilon, as known of " + family->name
                                          : "prediction: epsilon, the default of CompVis's code");
        return Prediction::Epsilon;
    }
    if (options.global_step == kBaseStep) {
        notes.emplace_back("prediction: epsilon, by the global_step 875000 of the file");
        return Prediction::Epsilon;
    }
    return fail(ErrorCode::Incomplete, "prediction_type unknown: pass eps or v",
                "Stable Diffusion 2 has both: the 512-base files predict eps, the 768 files v");
}

} // namespace

const Family* family_of(const UnetPlan& plan)
{
    const auto at = std::ranges::find_if(
        families(), [&](const Family& family) { return has_the_shapes(plan, family.shapes); });
    return at == families().end() ? nullptr : &*at;
}

Result<> settle_heads(UnetPlan& plan, const Family* family, const SingleFileOptions& options,
                      std::vector<std::string>& notes)
{
    if (!options.heads.empty() && options.head_channels != 0)
        return fail(ErrorCode::InvalidArgument,
                    "both the number of attention heads and the channels of a head are told",
                    "pass one of them");
    std::string source = "as told";
    if (!options.heads.empty()) {
        VELAMEN_ASSIGN(plan.heads, for_levels(options.heads, plan));
    } else if (options.head_channels != 0) {
        VELAMEN_ASSIGN(plan.heads, by_channels(options.head_channels, plan));
    } else if (family != nullptr && family->choices.empty()) {
        source = "as known of " + family->name;
        VELAMEN_ASSIGN(plan.heads,
                       family->heads.empty() ? by_channels(family->head_channels, plan)
                                             : for_levels(family->heads, plan));
    } else {
        return fail(ErrorCode::Incomplete,
                    "attention heads are not visible in the shapes of this UNet",
                    "pass "
                        + (family != nullptr ? family->choices
                                             : std::string("the number of heads or the channels of "
                                                           "a head, as its config has them")));
    }
    notes.push_back("attention heads: " + to_text(plan.heads) + ", " + source);
    return {};
}

Result<io::Json> settle_scheduler(UnetPlan& plan, const Family* family,
                                  const SingleFileOptions& options, std::vector<std::string>& notes)
{
    if (family == nullptr && !options.betas)
        return fail(ErrorCode::Incomplete,
                    "the noise schedule of this UNet is not known: its shapes are nobody's",
                    "pass the first and the last beta; they are in the file's tensor betas");
    const Betas betas = options.betas ? *options.betas : family->betas;
    if (!(betas.start > 0.0 && betas.start <= betas.end && betas.end < 1.0))
        return fail(ErrorCode::InvalidArgument, "betas have to rise between 0 and 1");
    VELAMEN_ASSIGN(const Prediction prediction, prediction_of(family, options, notes));
    if (family != nullptr) plan.sample_size = family->sample_size;
    if (is_sd2(family) && prediction == Prediction::VPrediction) plan.sample_size = 96;

    const bool is_stable = family != nullptr && family->is_pndm;
    const bool is_pndm = is_stable && prediction == Prediction::Epsilon;
    io::Json out = io::Json::object();
    out["_class_name"] = is_pndm ? "PNDMScheduler" : "DDIMScheduler";
    out["beta_end"] = betas.end;
    out["beta_schedule"] = "scaled_linear"; // which CompVis's code calls linear
    out["beta_start"] = betas.start;
    out["clip_sample"] = false;
    out["num_train_timesteps"] = 1000;
    out["prediction_type"] = name_of(prediction);
    out["set_alpha_to_one"] = false;
    if (is_pndm) out["skip_prk_steps"] = true;
    out["steps_offset"] = is_stable ? 1 : 0;
    return out;
}

std::string settle_autoencoder(AutoencoderPlan& plan, const Family* family,
                               std::int64_t latent_size)
{
    struct Known {
        const char* name;
        std::vector<std::int64_t> widths;
        std::int64_t latents;
        bool has_codebook;
        std::int64_t image_size;
        double scaling_factor;
    };
    static const std::vector<Known> known{
        {"sd-vae", {128, 256, 512, 512}, 4, false, 512, kStableScale},
        {"vq-f4", {128, 256, 512}, 3, true, 256, 1.0},
        {"dp-ldm-cifar-vae", {128, 256}, 3, false, 32, 1.0},
        {"dp-ldm-celeba64-vae", {192, 384}, 3, false, 64, 1.0},
        {"dp-ldm-emnist-vae", {128, 256, 384, 640}, 3, false, 32, 1.0},
    };
    const auto at = std::ranges::find_if(known, [&](const Known& one) {
        return one.widths == plan.widths && one.latents == plan.latents
            && one.has_codebook == plan.has_codebook();
    });
    if (at != known.end()) {
        plan.sample_size = at->image_size;
        plan.scaling_factor = at->scaling_factor;
    }
    if (family != nullptr) plan.scaling_factor = family->scaling_factor;
    if (latent_size > 0) plan.sample_size = latent_size * plan.factor();
    return at == known.end() ? "autoencoder" : at->name;
}

} // namespace velamen::keymap
