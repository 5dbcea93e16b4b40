// SPDX-License-Identifier: GPL-3.0-or-later
//
// An autoencoder's plan as config.json and back: AutoencoderKL or VQModel.

#include <algorithm>

#include "engine/keymap/autoencoder.h"
#include "engine/keymap/config.h"

namespace velamen::keymap {

namespace {

constexpr std::int64_t kGroups = 32; // Normalize() of diffusionmodules/model.py

const std::vector<FixedField>& fixed_fields()
{
    static const std::vector<FixedField> fields{
        {"act_fn", {"silu", "swish"}},     {"mid_block_add_attention", {true}},
        {"norm_num_groups", {kGroups}},    {"norm_type", {"group"}},
        {"use_post_quant_conv", {true}},   {"use_quant_conv", {true}},
        {"lookup_from_codebook", {false}}, {"force_upcast", {true, false}},
    };
    return fields;
}

} // namespace

io::Json to_config(const AutoencoderPlan& plan)
{
    io::Json out = io::Json::object();
    out["_class_name"] = plan.has_codebook() ? "VQModel" : "AutoencoderKL";
    out["act_fn"] = "silu";
    out["block_out_channels"] = json_array(plan.widths);
    out["down_block_types"] = json_array(
        names_by_flag(plan.encoder_attention, "AttnDownEncoderBlock2D", "DownEncoderBlock2D"));
    out["in_channels"] = plan.in_channels;
    out["latent_channels"] = plan.latents;
    out["layers_per_block"] = plan.layers;
    out["norm_num_groups"] = kGroups;
    out["out_channels"] = plan.out_channels;
    if (plan.sample_size > 0) out["sample_size"] = plan.sample_size;
    out["scaling_factor"] = plan.scaling_factor;
    auto up = names_by_flag(plan.decoder_attention, "AttnUpDecoderBlock2D", "UpDecoderBlock2D");
    std::ranges::reverse(up);
    out["up_block_types"] = json_array(up);
    if (plan.has_codebook()) {
        out["num_vq_embeddings"] = plan.codes;
        out["vq_embed_dim"] = plan.code_width;
    }
    return sorted_by_key(out);
}

Result<AutoencoderPlan> autoencoder_from_config(const io::Json& config)
{
    VELAMEN_TRY(refuse_others(config, fixed_fields(), "the autoencoder"));
    VELAMEN_ASSIGN(const std::string kind, config.text("_class_name"));
    const bool has_codebook = kind == "VQModel";
    AutoencoderPlan plan;
    VELAMEN_ASSIGN(plan.in_channels, size_field(config, "in_channels", 3));
    VELAMEN_ASSIGN(plan.out_channels, size_field(config, "out_channels", 3));
    VELAMEN_ASSIGN(plan.widths, widths_field(config, "block_out_channels"));
    VELAMEN_ASSIGN(plan.layers, size_field(config, "layers_per_block", 1));
    VELAMEN_ASSIGN(plan.latents, size_field(config, "latent_channels", has_codebook ? 3 : 4));
    VELAMEN_ASSIGN(
        plan.encoder_attention,
        flags_by_name(config, "down_block_types", "AttnDownEncoderBlock2D", "DownEncoderBlock2D"));
    VELAMEN_ASSIGN(
        plan.decoder_attention,
        flags_by_name(config, "up_block_types", "AttnUpDecoderBlock2D", "UpDecoderBlock2D"));
    std::reverse(plan.decoder_attention.begin(), plan.decoder_attention.end());
    if (plan.encoder_attention.size() != plan.widths.size()
        || plan.decoder_attention.size() != plan.widths.size() || plan.layers > 16)
        return fail(ErrorCode::InvalidArgument,
                    "the autoencoder's config has another number of block types than of levels");
    VELAMEN_ASSIGN(plan.scaling_factor, config.number_or("scaling_factor", 0.18215));
    if (const io::Json* size = config.find("sample_size"); size != nullptr && size->is_integer()) {
        VELAMEN_ASSIGN(plan.sample_size, size_field(config, "sample_size", 0));
    }
    if (!has_codebook) return plan;
    VELAMEN_ASSIGN(plan.codes, size_field(config, "num_vq_embeddings", 256));
    const io::Json* width = config.find("vq_embed_dim");
    plan.code_width = plan.latents;
    if (width != nullptr && !width->is_null()) {
        VELAMEN_ASSIGN(plan.code_width, size_field(config, "vq_embed_dim", plan.latents));
    }
    return plan;
}

} // namespace velamen::keymap
