// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading, checking and writing the config.json of an unconditional UNet.

#include "engine/nn/unet/refuse.h"
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
    if (const io::Json* size = json.find("sample_size"); size != nullptr && size->is_integer()) {
        VELAMEN_ASSIGN(c.sample_size, json.integer("sample_size"));
    }
    VELAMEN_ASSIGN(c.in_channels, json.integer_or("in_channels", c.in_channels));
    VELAMEN_ASSIGN(c.out_channels, json.integer_or("out_channels", c.out_channels));
    if (json.find("down_block_types") != nullptr) {
        VELAMEN_ASSIGN(c.down_block_types, json.texts("down_block_types"));
    }
    if (json.find("up_block_types") != nullptr) {
        VELAMEN_ASSIGN(c.up_block_types, json.texts("up_block_types"));
    }
    if (json.find("block_out_channels") != nullptr) {
        VELAMEN_ASSIGN(c.block_out_channels, json.integers("block_out_channels"));
    }
    VELAMEN_ASSIGN(c.layers_per_block, json.integer_or("layers_per_block", c.layers_per_block));
    VELAMEN_ASSIGN(c.attention_head_dim,
                   integer_or_null(json, "attention_head_dim", c.attention_head_dim));
    VELAMEN_ASSIGN(c.norm_num_groups, json.integer_or("norm_num_groups", c.norm_num_groups));
    VELAMEN_ASSIGN(c.attn_norm_num_groups, integer_or_null(json, "attn_norm_num_groups", 0));
    VELAMEN_ASSIGN(c.norm_eps, json.number_or("norm_eps", c.norm_eps));
    VELAMEN_ASSIGN(const std::string time, json.text_or("resnet_time_scale_shift", "default"));
    if (time != "default" && time != "scale_shift")
        return fail(ErrorCode::Unsupported,
                    "the UNet's config has resnet_time_scale_shift = " + time
                        + ", which is not supported",
                    "supported are default and scale_shift");
    c.scale_shift = time == "scale_shift";
    VELAMEN_ASSIGN(c.attention_resampling_by_resnet, resamples_by_resnet(json));
    VELAMEN_ASSIGN(c.add_attention, json.flag_or("add_attention", c.add_attention));
    VELAMEN_ASSIGN(c.downsample_padding,
                   json.integer_or("downsample_padding", c.downsample_padding));
    VELAMEN_ASSIGN(c.flip_sin_to_cos, json.flag_or("flip_sin_to_cos", c.flip_sin_to_cos));
    VELAMEN_ASSIGN(c.freq_shift, json.number_or("freq_shift", c.freq_shift));
    VELAMEN_TRY(c.check());
    return c;
}

io::Json UNet2DConfig::to_json() const
{
    const auto array = [](const auto& values) {
        return io::Json::Array(values.begin(), values.end());
    };
    const auto or_null = [](std::int64_t value) {
        return value == 0 ? io::Json(nullptr) : io::Json(value);
    };
    io::Json out = io::Json::object();
    out["_class_name"] = "UNet2DModel";
    out["act_fn"] = "silu";
    out["add_attention"] = add_attention;
    out["attention_head_dim"] = or_null(attention_head_dim);
    out["attn_norm_num_groups"] = or_null(attn_norm_num_groups);
    out["block_out_channels"] = array(block_out_channels);
    out["down_block_types"] = array(down_block_types);
    out["downsample_padding"] = downsample_padding;
    out["downsample_type"] = attention_resampling_by_resnet ? "resnet" : "conv";
    out["flip_sin_to_cos"] = flip_sin_to_cos;
    if (freq_shift == static_cast<double>(static_cast<std::int64_t>(freq_shift)))
        out["freq_shift"] = static_cast<std::int64_t>(freq_shift);
    else
        out["freq_shift"] = freq_shift;
    out["in_channels"] = in_channels;
    out["layers_per_block"] = layers_per_block;
    out["norm_eps"] = norm_eps;
    out["norm_num_groups"] = norm_num_groups;
    out["out_channels"] = out_channels;
    out["resnet_time_scale_shift"] = scale_shift ? "scale_shift" : "default";
    if (sample_size > 0) out["sample_size"] = sample_size;
    out["up_block_types"] = array(up_block_types);
    out["upsample_type"] = attention_resampling_by_resnet ? "resnet" : "conv";
    return out;
}

Result<> UNet2DConfig::check() const
{
    const auto bad = [](std::string what) {
        return fail(ErrorCode::InvalidArgument, "the UNet's config is not consistent: " + what);
    };
    const std::size_t levels = block_out_channels.size();
    if (levels == 0 || levels > 16) return bad("block_out_channels needs 1 to 16 entries");
    if (down_block_types.size() != levels || up_block_types.size() != levels)
        return bad("down_block_types and up_block_types must be as long as block_out_channels");
    for (const std::int64_t size : {in_channels, out_channels, layers_per_block, norm_num_groups})
        if (size < 1 || size > 1 << 20) return bad("sizes must be positive");
    if (attention_head_dim < 0 || attn_norm_num_groups < 0) return bad("sizes must be positive");
    if (downsample_padding != 1 && downsample_padding != 0)
        return bad("downsample_padding must be 0 or 1");
    if (!(norm_eps > 0.0)) return bad("norm_eps must be positive");
    for (const std::string& type : down_block_types)
        if (type != "DownBlock2D" && type != "AttnDownBlock2D")
            return fail(ErrorCode::Unsupported,
                        "the UNet's down block " + type + " is not supported",
                        "supported are DownBlock2D and AttnDownBlock2D");
    for (const std::string& type : up_block_types)
        if (type != "UpBlock2D" && type != "AttnUpBlock2D")
            return fail(ErrorCode::Unsupported, "the UNet's up block " + type + " is not supported",
                        "supported are UpBlock2D and AttnUpBlock2D");
    for (std::size_t i = 0; i < levels; ++i) {
        const std::int64_t channels = block_out_channels[i];
        if (channels < 2 || channels > 1 << 20 || channels % norm_num_groups != 0)
            return bad("block_out_channels must be multiples of norm_num_groups");
        if (heads_of(i) < 1 || channels % heads_of(i) != 0
            || (attention_head_dim > 0 && channels % attention_head_dim != 0))
            return bad("block_out_channels must be multiples of attention_head_dim");
    }
    if (attn_norm_num_groups > 0 && block_out_channels.back() % attn_norm_num_groups != 0)
        return bad("the last of block_out_channels must be a multiple of attn_norm_num_groups");
    if (block_out_channels.front() % 2 != 0)
        return bad("the first of block_out_channels must be even");
    return {};
}

} // namespace velamen::nn
