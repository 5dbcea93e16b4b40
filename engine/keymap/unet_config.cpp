// SPDX-License-Identifier: GPL-3.0-or-later
//
// A UNet's plan as config.json and back. Four classes: diffusers' UNet2DConditionModel and
// UNet2DModel, and for what they cannot compute LatentUNet2DCondition (time scales and shifts,
// residual blocks between the levels) and LatentUNet2D (as many heads at every width).

#include <algorithm>
#include <optional>

#include "engine/keymap/config.h"
#include "engine/keymap/unet.h"

namespace velamen::keymap {

namespace {

using Attention = UnetPlan::Attention;

constexpr const char* kCondition = "UNet2DConditionModel";
constexpr const char* kLatentCondition = "LatentUNet2DCondition";
constexpr const char* kUnconditional = "UNet2DModel";
constexpr const char* kLatent = "LatentUNet2D";
constexpr std::int64_t kGroups = 32; // normalization() of openaimodel.py

struct BlockNames {
    const char* down;
    const char* down_plain;
    const char* up;
    const char* up_plain;
};

BlockNames names_for(Attention attention)
{
    if (attention == Attention::ToSelf)
        return {"AttnDownBlock2D", "DownBlock2D", "AttnUpBlock2D", "UpBlock2D"};
    return {"CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"};
}

/// Channels of a head, if they are the same at every level.
std::optional<std::int64_t> head_channels(const UnetPlan& plan)
{
    const std::int64_t channels = plan.widths.front() / plan.heads.front();
    for (std::size_t i = 0; i < plan.widths.size(); ++i)
        if (plan.widths[i] != channels * plan.heads[i]) return std::nullopt;
    return channels;
}

bool has_equal_heads(const UnetPlan& plan)
{
    return std::ranges::all_of(plan.heads,
                               [&](std::int64_t heads) { return heads == plan.heads.front(); });
}

void add_condition(const UnetPlan& plan, io::Json& out)
{
    const bool is_ours = plan.has_scale_shift || plan.resamples_by_resnet;
    out["_class_name"] = is_ours ? kLatentCondition : kCondition;
    if (has_equal_heads(plan))
        out["attention_head_dim"] = plan.heads.front();
    else
        out["attention_head_dim"] = json_array(plan.heads);
    out["cross_attention_dim"] = plan.context;
    out["mid_block_type"] = "UNetMidBlock2DCrossAttn";
    out["transformer_layers_per_block"] = plan.depth;
    out["use_linear_projection"] = plan.has_linear_projections;
    if (!is_ours) return;
    out["resnet_time_scale_shift"] = plan.has_scale_shift ? "scale_shift" : "default";
    out["resnet_resampling"] = plan.resamples_by_resnet;
}

Result<> add_unconditional(const UnetPlan& plan, io::Json& out)
{
    // Its blocks without attention resample by convolutions, and every level resamples on one side.
    for (std::size_t i = 0; plan.resamples_by_resnet && i < plan.widths.size(); ++i)
        if (!plan.has_attention[i])
            return fail(ErrorCode::Unsupported,
                        "this UNet has residual blocks between levels without attention, which is "
                        "unsupported here",
                        "choose a checkpoint with attention at every level");
    const char* const resampling = plan.resamples_by_resnet ? "resnet" : "conv";
    out["add_attention"] = true;
    // Under scale_shift diffusers leaves the middle's norm out unless it is asked for.
    out["attn_norm_num_groups"] = plan.has_scale_shift ? io::Json(kGroups) : io::Json(nullptr);
    out["downsample_type"] = resampling;
    out["upsample_type"] = resampling;
    out["resnet_time_scale_shift"] = plan.has_scale_shift ? "scale_shift" : "default";
    if (const auto channels = head_channels(plan)) {
        out["_class_name"] = kUnconditional;
        out["attention_head_dim"] = *channels;
        return {};
    }
    if (!has_equal_heads(plan))
        return fail(
            ErrorCode::InvalidArgument,
            "attention heads of an unconditional UNet are as many or as wide at every level",
            "pass one number of heads, or the channels of a head");
    out["_class_name"] = kLatent;
    out["num_attention_heads"] = plan.heads.front();
    return {};
}

const std::vector<FixedField>& fixed_fields()
{
    static const std::vector<FixedField> fields{
        {"act_fn", {"silu", "swish"}},
        {"add_attention", {true}},
        {"addition_embed_type", {nullptr}},
        {"attention_type", {"default"}},
        {"attn_norm_num_groups", {nullptr, kGroups}},
        {"center_input_sample", {false}},
        {"class_embed_type", {nullptr}},
        {"conv_in_kernel", {3}},
        {"conv_out_kernel", {3}},
        {"downsample_padding", {1}},
        {"dual_cross_attention", {false}},
        {"encoder_hid_dim", {nullptr}},
        {"encoder_hid_dim_type", {nullptr}},
        {"flip_sin_to_cos", {true}},
        {"freq_shift", {0, 0.0}},
        {"mid_block_only_cross_attention", {nullptr, false}},
        {"mid_block_scale_factor", {1, 1.0}},
        {"mid_block_type", {"UNetMidBlock2DCrossAttn", "UNetMidBlock2D"}},
        {"norm_eps", {1e-5}},
        {"norm_num_groups", {kGroups}},
        {"only_cross_attention", {false}},
        {"resnet_out_scale_factor", {1, 1.0}},
        {"resnet_skip_time_act", {false}},
        {"resnet_time_scale_shift", {"default", "scale_shift"}},
        {"time_cond_proj_dim", {nullptr}},
        {"time_embedding_dim", {nullptr}},
        {"time_embedding_type", {"positional"}},
    };
    return fields;
}

Result<> check_heads(const UnetPlan& plan)
{
    for (std::size_t i = 0; i < plan.widths.size(); ++i)
        if (plan.heads[i] < 1 || plan.widths[i] % plan.heads[i] != 0)
            return fail(ErrorCode::InvalidArgument,
                        "the UNet's config has " + std::to_string(plan.heads[i])
                            + " attention heads for " + std::to_string(plan.widths[i])
                            + " channels");
    return {};
}

/// UNet2DConditionModel calls the number of heads attention_head_dim.
Result<> read_condition(const io::Json& config, UnetPlan& plan)
{
    plan.attention = Attention::ToOthers;
    VELAMEN_ASSIGN(plan.depth, size_field(config, "transformer_layers_per_block", 1));
    if (plan.depth > 16)
        return fail(ErrorCode::Unsupported,
                    "the UNet's config has more than 16 transformer_layers_per_block");
    VELAMEN_ASSIGN(plan.context, size_field(config, "cross_attention_dim", 1280));
    VELAMEN_ASSIGN(plan.has_linear_projections, config.flag_or("use_linear_projection", false));
    VELAMEN_ASSIGN(plan.resamples_by_resnet, config.flag_or("resnet_resampling", false));
    if (const io::Json* heads = config.find("attention_head_dim");
        heads != nullptr && heads->is_array()) {
        VELAMEN_ASSIGN(plan.heads, config.integers("attention_head_dim"));
    } else {
        VELAMEN_ASSIGN(const std::int64_t all, size_field(config, "attention_head_dim", 8));
        plan.heads.assign(plan.widths.size(), all);
    }
    return {};
}

/// UNet2DModel means what it says by attention_head_dim; null is one head.
Result<> read_unconditional(const io::Json& config, const std::string& kind, UnetPlan& plan)
{
    plan.attention = Attention::ToSelf;
    plan.depth = 1;
    VELAMEN_ASSIGN(const std::string down, config.text_or("downsample_type", "conv"));
    VELAMEN_ASSIGN(const std::string up, config.text_or("upsample_type", "conv"));
    if (down != up || (down != "conv" && down != "resnet"))
        return fail(ErrorCode::Unsupported,
                    "the UNet's config resamples by " + down + " and " + up
                        + ", which CompVis's code cannot compute");
    plan.resamples_by_resnet = down == "resnet";
    if (kind == kLatent) {
        VELAMEN_ASSIGN(const std::int64_t heads, size_field(config, "num_attention_heads", 1));
        plan.heads.assign(plan.widths.size(), heads);
        return {};
    }
    const io::Json* channels = config.find("attention_head_dim");
    if (channels != nullptr && channels->is_null()) {
        plan.heads.assign(plan.widths.size(), 1);
        return {};
    }
    VELAMEN_ASSIGN(const std::int64_t wide, size_field(config, "attention_head_dim", 8));
    for (const std::int64_t width : plan.widths)
        plan.heads.push_back(width % wide == 0 ? width / wide : 0);
    return {};
}

} // namespace

Result<io::Json> to_config(const UnetPlan& plan)
{
    const BlockNames names = names_for(plan.attention);
    io::Json out = io::Json::object();
    out["act_fn"] = "silu";
    out["block_out_channels"] = json_array(plan.widths);
    out["down_block_types"] =
        json_array(names_by_flag(plan.has_attention, names.down, names.down_plain));
    out["downsample_padding"] = 1;
    out["flip_sin_to_cos"] = true;
    out["freq_shift"] = 0;
    out["in_channels"] = plan.in_channels;
    out["layers_per_block"] = plan.layers;
    out["norm_eps"] = 1e-5;
    out["norm_num_groups"] = kGroups;
    if (plan.classes > 0) out["num_class_embeds"] = plan.classes;
    out["out_channels"] = plan.out_channels;
    if (plan.sample_size > 0) out["sample_size"] = plan.sample_size;
    auto up = names_by_flag(plan.has_attention, names.up, names.up_plain);
    std::ranges::reverse(up);
    out["up_block_types"] = json_array(up);
    if (plan.attention == Attention::ToOthers) {
        add_condition(plan, out);
    } else {
        VELAMEN_TRY(add_unconditional(plan, out));
    }
    return sorted_by_key(out);
}

Result<UnetPlan> unet_from_config(const io::Json& config)
{
    VELAMEN_TRY(refuse_others(config, fixed_fields(), "the UNet"));
    VELAMEN_ASSIGN(const std::string kind, config.text_or("_class_name", kCondition));
    const bool has_condition = kind == kCondition || kind == kLatentCondition;
    if (!has_condition && kind != kUnconditional && kind != kLatent)
        return fail(ErrorCode::Unsupported, "a UNet of class " + kind + " has no CompVis names");
    UnetPlan plan;
    VELAMEN_ASSIGN(plan.in_channels, size_field(config, "in_channels", has_condition ? 4 : 3));
    VELAMEN_ASSIGN(plan.out_channels, size_field(config, "out_channels", has_condition ? 4 : 3));
    VELAMEN_ASSIGN(plan.widths, widths_field(config, "block_out_channels"));
    VELAMEN_ASSIGN(plan.layers, size_field(config, "layers_per_block", 2));
    const BlockNames names = names_for(has_condition ? Attention::ToOthers : Attention::ToSelf);
    VELAMEN_ASSIGN(plan.has_attention,
                   flags_by_name(config, "down_block_types", names.down, names.down_plain));
    VELAMEN_ASSIGN(auto up, flags_by_name(config, "up_block_types", names.up, names.up_plain));
    std::reverse(up.begin(), up.end());
    if (plan.has_attention != up || up.size() != plan.widths.size() || plan.layers > 16)
        return fail(ErrorCode::Unsupported,
                    "the UNet's config has other levels on the way up than on the way down, which "
                    "CompVis's code cannot compute");
    VELAMEN_ASSIGN(const std::string time, config.text_or("resnet_time_scale_shift", "default"));
    plan.has_scale_shift = time == "scale_shift";
    if (config.find("num_class_embeds") != nullptr && !config.find("num_class_embeds")->is_null()) {
        VELAMEN_ASSIGN(plan.classes, size_field(config, "num_class_embeds", 0));
    }
    VELAMEN_TRY(has_condition ? read_condition(config, plan)
                              : read_unconditional(config, kind, plan));
    if (plan.heads.size() != plan.widths.size())
        return fail(ErrorCode::InvalidArgument,
                    "the UNet's config has another number of attention_head_dim than of levels");
    VELAMEN_TRY(check_heads(plan));
    if (const io::Json* size = config.find("sample_size"); size != nullptr && size->is_integer()) {
        VELAMEN_ASSIGN(plan.sample_size, size_field(config, "sample_size", 0));
    }
    return plan;
}

} // namespace velamen::keymap
