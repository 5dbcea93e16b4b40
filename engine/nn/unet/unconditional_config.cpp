// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading, checking and writing the config.json of an unconditional UNet.

#include "engine/nn/unet/unconditional_config.h"

#include "engine/nn/unet/shared_fields.h"

namespace velamen::nn {

namespace {

// downsample_type and upsample_type are read together below.
const std::vector<FixedField>& fixed_fields()
{
    static const std::vector<FixedField> fields{
        {"act_fn", {"silu", "swish"}},           {"center_input_sample", {false}},
        {"time_embedding_type", {"positional"}}, {"time_embedding_dim", {nullptr}},
        {"mid_block_type", {"UNetMidBlock2D"}},  {"mid_block_scale_factor", {1, 1.0}},
        {"class_embed_type", {nullptr}},         {"dropout", {0, 0.0}},
    };
    return fields;
}

Result<bool> resamples_by_resnet(const io::Json& json)
{
    VELAMEN_ASSIGN(const std::string down, json.text_or("downsample_type", "conv"));
    VELAMEN_ASSIGN(const std::string up, json.text_or("upsample_type", "conv"));
    for (const std::string& type : {down, up})
        if (type != "conv" && type != "resnet")
            return fail(ErrorCode::Unsupported,
                        "the UNet's resampling '" + type + "' is not supported",
                        "supported are conv and resnet");
    if (down != up)
        return fail(ErrorCode::Unsupported,
                    "the UNet's downsample_type and upsample_type differ, which is not supported");
    return down == "resnet";
}

} // namespace

std::int64_t UNet2DConfig::heads_of(std::size_t level) const
{
    if (num_attention_heads > 0) return num_attention_heads;
    return attention_head_dim == 0 ? 1 : block_out_channels.at(level) / attention_head_dim;
}

UNetPlan UNet2DConfig::plan() const
{
    UNetPlan plan = plan_of(*this, "AttnDownBlock2D", "AttnUpBlock2D", add_attention,
                            [this](bool has_attention, StageOptions& options) {
                                options.attention =
                                    has_attention ? StageAttention::Spatial : StageAttention::None;
                                options.resample_by_resnet = resnet_resampling
                                    || (has_attention && attention_resampling_by_resnet);
                            });
    plan.middle.attention_groups = attn_norm_num_groups > 0 ? attn_norm_num_groups
        : scale_shift                                       ? 0
                                                            : norm_num_groups;
    return plan;
}

Result<UNet2DConfig> UNet2DConfig::from_json(const io::Json& json)
{
    VELAMEN_TRY(refuse_unsupported(json, fixed_fields(), "a plain UNet2DModel"));
    UNet2DConfig c;
    VELAMEN_TRY(read_shared_fields(json, c));
    VELAMEN_ASSIGN(c.attention_head_dim,
                   integer_or_null(json, "attention_head_dim", c.attention_head_dim));
    VELAMEN_ASSIGN(c.attn_norm_num_groups, integer_or_null(json, "attn_norm_num_groups", 0));
    VELAMEN_ASSIGN(c.attention_resampling_by_resnet, resamples_by_resnet(json));
    VELAMEN_ASSIGN(c.add_attention, json.flag_or("add_attention", c.add_attention));
    VELAMEN_ASSIGN(c.num_attention_heads, integer_or_null(json, "num_attention_heads", 0));
    VELAMEN_ASSIGN(c.resnet_resampling, json.flag_or("resnet_resampling", c.resnet_resampling));
    VELAMEN_TRY(c.check());
    return c;
}

io::Json UNet2DConfig::to_json() const
{
    const char* const resampling = attention_resampling_by_resnet ? "resnet" : "conv";
    io::Json out = io::Json::object();
    out["_class_name"] = is_own() ? "LatentUNet2D" : "UNet2DModel";
    write_shared_fields(*this, out);
    out["add_attention"] = add_attention;
    out["attention_head_dim"] = null_or_integer(attention_head_dim);
    out["attn_norm_num_groups"] = null_or_integer(attn_norm_num_groups);
    out["downsample_type"] = resampling;
    if (num_attention_heads > 0) out["num_attention_heads"] = num_attention_heads;
    if (resnet_resampling) out["resnet_resampling"] = true;
    out["upsample_type"] = resampling;
    return sorted_by_key(out);
}

Result<> UNet2DConfig::check() const
{
    VELAMEN_TRY(check_shared_fields(*this));
    if (attention_head_dim < 0 || attn_norm_num_groups < 0 || num_attention_heads < 0)
        return inconsistent("sizes must be positive");
    VELAMEN_TRY(check_block_types("down", down_block_types, "AttnDownBlock2D", "DownBlock2D"));
    VELAMEN_TRY(check_block_types("up", up_block_types, "AttnUpBlock2D", "UpBlock2D"));
    for (std::size_t i = 0; i < block_out_channels.size(); ++i)
        if (heads_of(i) < 1 || block_out_channels[i] % heads_of(i) != 0
            || (num_attention_heads == 0 && attention_head_dim > 0
                && block_out_channels[i] % attention_head_dim != 0))
            return inconsistent("block_out_channels must be multiples of attention_head_dim");
    if (attn_norm_num_groups > 0 && block_out_channels.back() % attn_norm_num_groups != 0)
        return inconsistent(
            "the last of block_out_channels must be a multiple of attn_norm_num_groups");
    return {};
}

} // namespace velamen::nn
