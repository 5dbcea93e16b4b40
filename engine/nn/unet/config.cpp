// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading, checking and writing the UNet's config.json.

#include "engine/nn/unet/config.h"

#include "engine/nn/unet/refuse.h"

namespace velamen::nn {

namespace {

const std::vector<FixedField>& fixed_fields()
{
    static const std::vector<FixedField> fields{
        {"act_fn", {"silu", "swish"}},
        {"mid_block_type", {"UNetMidBlock2DCrossAttn"}},
        {"center_input_sample", {false}},
        {"only_cross_attention", {false}},
        {"mid_block_only_cross_attention", {nullptr, false}},
        {"mid_block_scale_factor", {1, 1.0}},
        {"reverse_transformer_layers_per_block", {nullptr}},
        {"encoder_hid_dim", {nullptr}},
        {"encoder_hid_dim_type", {nullptr}},
        {"num_attention_heads", {nullptr}},
        {"dual_cross_attention", {false}},
        {"class_embed_type", {nullptr}},
        {"num_class_embeds", {nullptr}},
        {"addition_embed_type", {nullptr}},
        {"resnet_time_scale_shift", {"default"}},
        {"resnet_skip_time_act", {false}},
        {"resnet_out_scale_factor", {1, 1.0}},
        {"time_embedding_type", {"positional"}},
        {"time_embedding_dim", {nullptr}},
        {"time_embedding_act_fn", {nullptr}},
        {"timestep_post_act", {nullptr}},
        {"time_cond_proj_dim", {nullptr}},
        {"conv_in_kernel", {3}},
        {"conv_out_kernel", {3}},
        {"attention_type", {"default"}},
        {"cross_attention_norm", {nullptr}},
        {"class_embeddings_concat", {false}},
        {"dropout", {0, 0.0}},
    };
    return fields;
}

io::Json::Array to_array(const auto& values)
{
    return io::Json::Array(values.begin(), values.end());
}

} // namespace

std::int64_t UNet2DConditionConfig::heads_of(std::size_t level) const
{
    return attention_head_dim.size() == 1 ? attention_head_dim.front()
                                          : attention_head_dim.at(level);
}

Result<UNet2DConditionConfig> UNet2DConditionConfig::from_json(const io::Json& json)
{
    VELAMEN_TRY(refuse_unsupported(json, fixed_fields(), "a plain UNet2DConditionModel"));
    UNet2DConditionConfig c;
    VELAMEN_ASSIGN(c.in_channels, json.integer_or("in_channels", c.in_channels));
    VELAMEN_ASSIGN(c.out_channels, json.integer_or("out_channels", c.out_channels));
    if (const io::Json* size = json.find("sample_size"); size != nullptr && size->is_integer()) {
        VELAMEN_ASSIGN(c.sample_size, json.integer("sample_size"));
    }
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
    VELAMEN_ASSIGN(c.transformer_layers_per_block,
                   json.integer_or("transformer_layers_per_block", c.transformer_layers_per_block));
    VELAMEN_ASSIGN(c.cross_attention_dim,
                   json.integer_or("cross_attention_dim", c.cross_attention_dim));
    if (const io::Json* heads = json.find("attention_head_dim"); heads != nullptr) {
        if (heads->is_array()) {
            VELAMEN_ASSIGN(c.attention_head_dim, json.integers("attention_head_dim"));
        } else {
            VELAMEN_ASSIGN(const std::int64_t all, json.integer("attention_head_dim"));
            c.attention_head_dim = {all};
        }
    }
    VELAMEN_ASSIGN(c.use_linear_projection,
                   json.flag_or("use_linear_projection", c.use_linear_projection));
    VELAMEN_ASSIGN(c.norm_num_groups, json.integer_or("norm_num_groups", c.norm_num_groups));
    VELAMEN_ASSIGN(c.norm_eps, json.number_or("norm_eps", c.norm_eps));
    VELAMEN_ASSIGN(c.downsample_padding,
                   json.integer_or("downsample_padding", c.downsample_padding));
    VELAMEN_ASSIGN(c.flip_sin_to_cos, json.flag_or("flip_sin_to_cos", c.flip_sin_to_cos));
    VELAMEN_ASSIGN(c.freq_shift, json.number_or("freq_shift", c.freq_shift));
    VELAMEN_TRY(c.check());
    return c;
}

io::Json UNet2DConditionConfig::to_json() const
{
    io::Json out = io::Json::object();
    out["_class_name"] = "UNet2DConditionModel";
    out["act_fn"] = "silu";
    if (attention_head_dim.size() == 1)
        out["attention_head_dim"] = attention_head_dim.front();
    else
        out["attention_head_dim"] = to_array(attention_head_dim);
    out["block_out_channels"] = to_array(block_out_channels);
    out["cross_attention_dim"] = cross_attention_dim;
    out["down_block_types"] = to_array(down_block_types);
    out["downsample_padding"] = downsample_padding;
    out["flip_sin_to_cos"] = flip_sin_to_cos;
    if (freq_shift == static_cast<double>(static_cast<std::int64_t>(freq_shift)))
        out["freq_shift"] = static_cast<std::int64_t>(freq_shift);
    else
        out["freq_shift"] = freq_shift;
    out["in_channels"] = in_channels;
    out["layers_per_block"] = layers_per_block;
    out["mid_block_type"] = "UNetMidBlock2DCrossAttn";
    out["norm_eps"] = norm_eps;
    out["norm_num_groups"] = norm_num_groups;
    out["out_channels"] = out_channels;
    if (sample_size > 0) out["sample_size"] = sample_size;
    out["transformer_layers_per_block"] = transformer_layers_per_block;
    out["up_block_types"] = to_array(up_block_types);
    out["use_linear_projection"] = use_linear_projection;
    return out;
}

Result<> UNet2DConditionConfig::check() const
{
    const auto bad = [](std::string what) {
        return fail(ErrorCode::InvalidArgument, "the UNet's config is not consistent: " + what);
    };
    const std::size_t levels = block_out_channels.size();
    if (levels == 0 || levels > 16) return bad("block_out_channels needs 1 to 16 entries");
    if (down_block_types.size() != levels || up_block_types.size() != levels)
        return bad("down_block_types and up_block_types must be as long as block_out_channels");
    if (attention_head_dim.size() != 1 && attention_head_dim.size() != levels)
        return bad("attention_head_dim must be one number or one per block");
    for (std::int64_t size : {in_channels, out_channels, layers_per_block, cross_attention_dim,
                              transformer_layers_per_block, norm_num_groups})
        if (size < 1 || size > 1 << 20) return bad("sizes must be positive");
    if (downsample_padding != 1 && downsample_padding != 0)
        return bad("downsample_padding must be 0 or 1");
    if (!(norm_eps > 0.0)) return bad("norm_eps must be positive");
    for (const std::string& type : down_block_types)
        if (type != "CrossAttnDownBlock2D" && type != "DownBlock2D")
            return fail(ErrorCode::Unsupported,
                        "the UNet's down block " + type + " is not supported",
                        "supported are CrossAttnDownBlock2D and DownBlock2D");
    for (const std::string& type : up_block_types)
        if (type != "CrossAttnUpBlock2D" && type != "UpBlock2D")
            return fail(ErrorCode::Unsupported, "the UNet's up block " + type + " is not supported",
                        "supported are CrossAttnUpBlock2D and UpBlock2D");
    for (std::size_t i = 0; i < levels; ++i) {
        const std::int64_t channels = block_out_channels[i];
        if (channels < 2 || channels > 1 << 20 || channels % norm_num_groups != 0)
            return bad("block_out_channels must be multiples of norm_num_groups");
        if (heads_of(i) < 1 || channels % heads_of(i) != 0)
            return bad("block_out_channels must be multiples of attention_head_dim (the heads)");
    }
    if (block_out_channels.front() % 2 != 0)
        return bad("the first of block_out_channels must be even");
    return {};
}

} // namespace velamen::nn
