// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading, checking and writing the config.json of an unconditional UNet.

#include "engine/nn/unet/shared_fields.h"
#include "engine/nn/unet/unconditional.h"

namespace velamen::nn {

namespace {

// downsample_type and upsample_type are read together below.
const std::vector<FixedField>& fixed_fields()
{
    static const std::vector<FixedField> fields{
        {"act_fn", {"silu", "swish"}},
        {"center_input_sample", {false}},
        {"time_embedding_type", {"positional"}},
        {"time_embedding_dim", {nullptr}},
        {"mid_block_type", {"UNetMidBlock2D"}},
        {"mid_block_scale_factor", {1, 1.0}},
        {"class_embed_type", {nullptr}},
        {"num_class_embeds", {nullptr}},
        {"dropout", {0, 0.0}},
    };
    return fields;
}

/// An integer, 0 where the field is null, `absent` where it is not there.
Result<std::int64_t> integer_or_null(const io::Json& json, const char* key, std::int64_t absent)
{
    const io::Json* value = json.find(key);
    if (value == nullptr) return absent;
    if (value->is_null()) return 0;
    return json.integer(key);
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
    return attention_head_dim == 0 ? 1 : block_out_channels.at(level) / attention_head_dim;
}

Result<UNet2DConfig> UNet2DConfig::from_json(const io::Json& json)
{
    VELAMEN_TRY(refuse_unsupported(json, fixed_fields(), "a plain UNet2DModel"));
    UNet2DConfig c;
    VELAMEN_TRY(read_shared_fields(json, c));
    VELAMEN_ASSIGN(c.attention_head_dim,
                   integer_or_null(json, "attention_head_dim", c.attention_head_dim));
    VELAMEN_ASSIGN(c.attn_norm_num_groups, integer_or_null(json, "attn_norm_num_groups", 0));
    VELAMEN_ASSIGN(const std::string time, json.text_or("resnet_time_scale_shift", "default"));
    if (time != "default" && time != "scale_shift")
        return fail(ErrorCode::Unsupported,
                    "the UNet's config has resnet_time_scale_shift = " + time
                        + ", which is not supported",
                    "supported are default and scale_shift");
    c.scale_shift = time == "scale_shift";
    VELAMEN_ASSIGN(c.attention_resampling_by_resnet, resamples_by_resnet(json));
    VELAMEN_ASSIGN(c.add_attention, json.flag_or("add_attention", c.add_attention));
    VELAMEN_TRY(c.check());
    return c;
}

io::Json UNet2DConfig::to_json() const
{
    const auto or_null = [](std::int64_t value) {
        return value == 0 ? io::Json(nullptr) : io::Json(value);
    };
    const char* const resampling = attention_resampling_by_resnet ? "resnet" : "conv";
    io::Json out = io::Json::object();
    out["_class_name"] = "UNet2DModel";
    write_shared_fields(*this, out);
    out["add_attention"] = add_attention;
    out["attention_head_dim"] = or_null(attention_head_dim);
    out["attn_norm_num_groups"] = or_null(attn_norm_num_groups);
    out["downsample_type"] = resampling;
    out["resnet_time_scale_shift"] = scale_shift ? "scale_shift" : "default";
    out["upsample_type"] = resampling;
    return sorted_by_key(out);
}

Result<> UNet2DConfig::check() const
{
    VELAMEN_TRY(check_shared_fields(*this));
    if (attention_head_dim < 0 || attn_norm_num_groups < 0)
        return inconsistent("sizes must be positive");
    VELAMEN_TRY(check_block_types("down", down_block_types, "AttnDownBlock2D", "DownBlock2D"));
    VELAMEN_TRY(check_block_types("up", up_block_types, "AttnUpBlock2D", "UpBlock2D"));
    for (std::size_t i = 0; i < block_out_channels.size(); ++i)
        if (heads_of(i) < 1 || block_out_channels[i] % heads_of(i) != 0
            || (attention_head_dim > 0 && block_out_channels[i] % attention_head_dim != 0))
            return inconsistent("block_out_channels must be multiples of attention_head_dim");
    if (attn_norm_num_groups > 0 && block_out_channels.back() % attn_norm_num_groups != 0)
        return inconsistent(
            "the last of block_out_channels must be a multiple of attn_norm_num_groups");
    return {};
}

} // namespace velamen::nn
