// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading, checking and writing the UNet's config.json.

#include "engine/nn/unet/config.h"

#include "engine/nn/unet/shared_fields.h"

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
        {"addition_embed_type", {nullptr}},
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

} // namespace

std::int64_t UNet2DConditionConfig::heads_of(std::size_t level) const
{
    return attention_head_dim.size() == 1 ? attention_head_dim.front()
                                          : attention_head_dim.at(level);
}

UNetPlan UNet2DConditionConfig::plan() const
{
    UNetPlan plan = plan_of(*this, "CrossAttnDownBlock2D", "CrossAttnUpBlock2D", true,
                            [this](bool has_attention, StageOptions& options) {
                                options.attention = has_attention ? StageAttention::Transformer
                                                                  : StageAttention::None;
                                options.context_channels = cross_attention_dim;
                                options.depth = transformer_layers_per_block;
                                options.linear_projection = use_linear_projection;
                                options.resample_by_resnet = resnet_resampling;
                            });
    plan.context_channels = cross_attention_dim;
    return plan;
}

Result<UNet2DConditionConfig> UNet2DConditionConfig::from_json(const io::Json& json)
{
    VELAMEN_TRY(refuse_unsupported(json, fixed_fields(), "a plain UNet2DConditionModel"));
    UNet2DConditionConfig c;
    VELAMEN_TRY(read_shared_fields(json, c));
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
    VELAMEN_ASSIGN(c.resnet_resampling, json.flag_or("resnet_resampling", c.resnet_resampling));
    VELAMEN_TRY(c.check());
    return c;
}

io::Json UNet2DConditionConfig::to_json() const
{
    io::Json out = io::Json::object();
    out["_class_name"] = resnet_resampling ? "LatentUNet2DCondition" : "UNet2DConditionModel";
    write_shared_fields(*this, out);
    if (attention_head_dim.size() == 1)
        out["attention_head_dim"] = attention_head_dim.front();
    else
        out["attention_head_dim"] = json_array(attention_head_dim);
    out["cross_attention_dim"] = cross_attention_dim;
    out["mid_block_type"] = "UNetMidBlock2DCrossAttn";
    if (resnet_resampling) out["resnet_resampling"] = true;
    out["transformer_layers_per_block"] = transformer_layers_per_block;
    out["use_linear_projection"] = use_linear_projection;
    return sorted_by_key(out);
}

Result<> UNet2DConditionConfig::check() const
{
    VELAMEN_TRY(check_shared_fields(*this));
    const std::size_t levels = block_out_channels.size();
    if (attention_head_dim.size() != 1 && attention_head_dim.size() != levels)
        return inconsistent("attention_head_dim must be one number or one per block");
    for (const std::int64_t size : {cross_attention_dim, transformer_layers_per_block})
        if (size < 1 || size > 1 << 20) return inconsistent("sizes must be positive");
    VELAMEN_TRY(check_block_types("down", down_block_types, "CrossAttnDownBlock2D", "DownBlock2D"));
    VELAMEN_TRY(check_block_types("up", up_block_types, "CrossAttnUpBlock2D", "UpBlock2D"));
    for (std::size_t i = 0; i < levels; ++i)
        if (heads_of(i) < 1 || block_out_channels[i] % heads_of(i) != 0)
            return inconsistent(
                "block_out_channels must be multiples of attention_head_dim (the heads)");
    return {};
}

} // namespace velamen::nn
