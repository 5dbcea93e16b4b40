// SPDX-License-Identifier: GPL-3.0-or-later

#include <algorithm>
#include <utility>

#include "engine/keymap/conditioner.h"
#include "engine/keymap/ema.h"
#include "engine/keymap/families.h"
#include "engine/keymap/refusals.h"
#include "engine/keymap/sections.h"
#include "engine/keymap/single_file.h"
#include "engine/keymap/tiny.h"

namespace velamen::keymap {

namespace {

struct Reading {
    const Sections& sections;
    const SingleFileOptions& options;
    SingleFile file{};
    const Family* family = nullptr;
    std::int64_t latent_size = 0;
    std::int64_t latents = 0; ///< channels that the UNet takes; 0 without a UNet
    std::int64_t context = 0; ///< width of the condition that the UNet takes
    bool has_ldm_bert = false;
};

std::string description_of(const UnetPlan& plan, const std::string& family)
{
    if (plan.attention == UnetPlan::Attention::ToSelf)
        return "UNet: " + family + " (without a condition)";
    return "UNet: " + family + " (condition of width " + std::to_string(plan.context) + ", "
        + (plan.has_linear_projections ? "linear" : "convolutional") + " projections)";
}

Result<> add_unet(Reading& reading)
{
    SingleFile& file = reading.file;
    VELAMEN_ASSIGN(
        ChosenWeights chosen,
        choose_weights(reading.sections.unet, reading.sections.average, reading.options.ema));
    file.ignored.insert(file.ignored.end(), chosen.ignored.begin(), chosen.ignored.end());
    file.notes.push_back(std::move(chosen.note));
    VELAMEN_ASSIGN(UnetPlan plan, read_unet(chosen.unet));
    reading.family = family_of(plan);
    file.family = reading.family != nullptr ? reading.family->name : "custom";
    file.notes.push_back(description_of(plan, file.family));
    VELAMEN_TRY(settle_heads(plan, reading.family, reading.options, file.notes));
    VELAMEN_ASSIGN(auto tensors, to_ours(blueprint_of(plan), chosen.unet, "the UNet"));
    VELAMEN_ASSIGN(file.scheduler,
                   settle_scheduler(plan, reading.family, reading.options, file.notes));
    VELAMEN_ASSIGN(io::Json config, to_config(plan));
    file.components.push_back({"unet", std::move(config), std::move(tensors)});
    reading.latent_size = plan.sample_size;
    reading.latents = plan.in_channels;
    reading.context = plan.context;
    return {};
}

/// The block that is left out is known by its number; of other depths nobody says where they stop.
void note_depth(const ConditionerPlan& plan, std::vector<std::string>& notes)
{
    const auto* const clip = std::get_if<ClipPlan>(&plan);
    if (clip == nullptr || clip->naming != ClipPlan::Naming::OpenClip
        || clip->layers == kUsedOpenClipBlocks)
        return;
    notes.push_back("text encoder: an OpenCLIP with " + std::to_string(clip->layers)
                    + " blocks is not Stable Diffusion 2's; all of them are used");
}

Result<> add_conditioner(Reading& reading)
{
    const Part& part = reading.sections.condition;
    VELAMEN_ASSIGN(const ConditionerPlan plan, read_conditioner(part, reading.options.text_heads));
    VELAMEN_ASSIGN(auto tensors, to_ours(blueprint_of(plan), part, "the conditioner"));
    if (reading.latents > 0 && width_of(plan) != reading.context)
        return fail(ErrorCode::Corrupt,
                    "the UNet takes a condition of width " + std::to_string(reading.context)
                        + ", the file's conditioner gives " + std::to_string(width_of(plan)),
                    "the file was put together from two models; choose another");
    note_depth(plan, reading.file.notes);
    reading.has_ldm_bert = std::holds_alternative<LdmBertPlan>(plan);
    reading.file.components.push_back({subfolder_of(plan), to_config(plan), std::move(tensors)});
    return {};
}

Result<> add_autoencoder(Reading& reading)
{
    const Part& part = reading.sections.autoencoder;
    VELAMEN_ASSIGN(AutoencoderPlan plan, read_autoencoder(part));
    const std::string name = settle_autoencoder(plan, reading.family, reading.latent_size);
    VELAMEN_ASSIGN(auto tensors, to_ours(blueprint_of(plan), part, "the autoencoder"));
    if (reading.latents > 0 && plan.latents != reading.latents)
        return fail(ErrorCode::Corrupt,
                    "the UNet takes latents of " + std::to_string(reading.latents)
                        + " channels, the file's autoencoder has " + std::to_string(plan.latents),
                    "the file was put together from two models; choose another");
    if (reading.file.family.empty()) reading.file.family = name;
    // diffusers' pipelines of latent-diffusion call any autoencoder vqvae.
    reading.file.components.push_back(
        {plan.has_codebook() || reading.has_ldm_bert ? "vqvae" : "vae", to_config(plan),
         std::move(tensors)});
    return {};
}

Result<> add_tiny(Reading& reading)
{
    VELAMEN_ASSIGN(const TinyPlan plan, read_tiny(reading.sections.tiny));
    VELAMEN_ASSIGN(auto tensors,
                   to_ours(blueprint_of(plan), reading.sections.tiny, "the tiny autoencoder"));
    reading.file.family = "taesd";
    reading.file.notes.emplace_back(
        plan.half == TinyHalf::Encoder
            ? "encoder of a tiny autoencoder; its decoder is another file"
            : "decoder of a tiny autoencoder; its encoder is another file");
    reading.file.components.push_back({"vae", to_config(plan), std::move(tensors)});
    return {};
}

void note_what_is_absent(Reading& reading)
{
    const Sections& sections = reading.sections;
    auto& notes = reading.file.notes;
    if (reading.latents == 0) {
        if (sections.tiny.empty()) notes.emplace_back("no UNet in the file");
        return;
    }
    if (sections.autoencoder.empty())
        notes.emplace_back("no first_stage_model.* tensors: pruned file; supply an autoencoder");
    if (sections.condition.empty() && reading.context > 0)
        notes.emplace_back("no cond_stage_model.* tensors: supply a conditioner of width "
                           + std::to_string(reading.context));
    if (sections.scale_factor)
        notes.emplace_back("latents are multiplied by the file's scale_factor");
}

} // namespace

Result<SingleFile> from_compvis(std::span<const Entry> entries, const SingleFileOptions& options)
{
    VELAMEN_TRY(refuse_foreign(entries));
    VELAMEN_ASSIGN(const Sections sections, divide(entries));
    VELAMEN_TRY(refuse_unrecognised(sections));
    Reading reading{.sections = sections, .options = options};
    reading.file.ignored = sections.ignored;
    reading.file.scale_factor = sections.scale_factor;
    reading.file.betas = sections.betas;
    if (!sections.unet.empty() || !sections.average.empty()) VELAMEN_TRY(add_unet(reading));
    if (!sections.condition.empty()) VELAMEN_TRY(add_conditioner(reading));
    if (!sections.autoencoder.empty()) VELAMEN_TRY(add_autoencoder(reading));
    if (!sections.tiny.empty()) VELAMEN_TRY(add_tiny(reading));
    note_what_is_absent(reading);
    std::ranges::sort(reading.file.ignored);
    return std::move(reading.file);
}

} // namespace velamen::keymap
