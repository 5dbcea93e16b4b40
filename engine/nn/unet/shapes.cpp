// SPDX-License-Identifier: GPL-3.0-or-later
//
// The parameters of the layers, stage by stage, as stages.cpp and model.cpp register them.

#include "engine/nn/unet/shapes.h"

#include <utility>

namespace velamen::nn {

namespace {

/// Appends parameters below a growing prefix.
class Names {
public:
    Names(std::vector<NamedShape>& out, std::string prefix) : out_(out), prefix_(std::move(prefix))
    {
    }

    Names below(const std::string& name) const { return {out_, prefix_ + name + "."}; }
    Names below(const std::string& list, std::int64_t index) const
    {
        return below(list + "." + std::to_string(index));
    }

    void linear(const std::string& name, std::int64_t in, std::int64_t out, bool bias = true) const
    {
        add(name, {out, in}, bias ? out : 0);
    }
    void conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t k) const
    {
        add(name, {out, in, k, k}, out);
    }
    void norm(const std::string& name, std::int64_t channels) const
    {
        add(name, {channels}, channels);
    }

private:
    void add(const std::string& name, Shape weight, std::int64_t bias) const
    {
        out_.push_back({prefix_ + name + ".weight", std::move(weight)});
        if (bias > 0) out_.push_back({prefix_ + name + ".bias", {bias}});
    }

    std::vector<NamedShape>& out_;
    std::string prefix_;
};

void add_attention(const Names& n, std::int64_t channels, std::int64_t context, bool bias = false)
{
    n.linear("to_q", channels, channels, bias);
    n.linear("to_k", context, channels, bias);
    n.linear("to_v", context, channels, bias);
    n.linear("to_out.0", channels, channels);
}

void add_transformer(const Names& n, std::int64_t channels, const StageOptions& options)
{
    const auto projection = [&](const std::string& name) {
        if (options.linear_projection)
            n.linear(name, channels, channels);
        else
            n.conv(name, channels, channels, 1);
    };
    n.norm("norm", channels);
    projection("proj_in");
    for (std::int64_t i = 0; i < options.depth; ++i) {
        const Names block = n.below("transformer_blocks", i);
        block.norm("norm1", channels);
        add_attention(block.below("attn1"), channels, channels);
        block.norm("norm2", channels);
        add_attention(block.below("attn2"), channels, options.context_channels);
        block.norm("norm3", channels);
        block.linear("ff.net.0.proj", channels, 8 * channels);
        block.linear("ff.net.2", 4 * channels, channels);
    }
    projection("proj_out");
}

void add_mixer(const Names& n, std::int64_t channels, const StageOptions& options)
{
    if (options.attention == StageAttention::Transformer) add_transformer(n, channels, options);
    if (options.attention != StageAttention::Spatial) return;
    if (options.attention_groups > 0) n.norm("group_norm", channels);
    add_attention(n, channels, channels, true);
}

void add_resnet(const Names& n, std::int64_t in, std::int64_t out, const StageOptions& options)
{
    n.norm("norm1", in);
    n.conv("conv1", in, out, 3);
    n.linear("time_emb_proj", options.time_channels, options.scale_shift ? 2 * out : out);
    n.norm("norm2", out);
    n.conv("conv2", out, out, 3);
    if (in != out) n.conv("conv_shortcut", in, out, 1);
}

/// One stage: attentions first, then resnets, as they are registered.
struct Stage {
    std::vector<std::int64_t> resnet_inputs;
    std::int64_t out = 0;
    std::size_t attentions = 0;
    const char* sampler = nullptr; ///< "downsamplers", "upsamplers" or none
};

void add_stage(const Names& n, const Stage& stage, const StageOptions& options)
{
    for (std::size_t i = 0; i < stage.attentions; ++i)
        add_mixer(n.below("attentions", static_cast<std::int64_t>(i)), stage.out, options);
    for (std::size_t i = 0; i < stage.resnet_inputs.size(); ++i)
        add_resnet(n.below("resnets", static_cast<std::int64_t>(i)), stage.resnet_inputs[i],
                   stage.out, options);
    if (stage.sampler == nullptr) return;
    const Names sampler = n.below(stage.sampler, 0);
    if (options.resample_by_resnet)
        add_resnet(sampler, stage.out, stage.out, options);
    else
        sampler.conv("conv", stage.out, stage.out, 3);
}

Stage down_stage(const UNetPlan& plan, std::size_t level)
{
    const auto& channels = plan.channels;
    Stage stage{.out = channels[level]};
    for (std::int64_t i = 0; i < plan.layers; ++i)
        stage.resnet_inputs.push_back(i == 0 && level > 0 ? channels[level - 1] : channels[level]);
    if (plan.down[level].attention != StageAttention::None)
        stage.attentions = stage.resnet_inputs.size();
    if (level + 1 < channels.size()) stage.sampler = "downsamplers";
    return stage;
}

Stage up_stage(const UNetPlan& plan, std::size_t index)
{
    const auto& channels = plan.channels;
    const std::size_t level = channels.size() - 1 - index;
    Stage stage{.out = channels[level]};
    for (std::int64_t i = 0; i <= plan.layers; ++i) {
        const bool is_last = i == plan.layers;
        const std::int64_t skip = is_last && level > 0 ? channels[level - 1] : channels[level];
        const std::int64_t below = i == 0 && index > 0 ? channels[level + 1] : channels[level];
        stage.resnet_inputs.push_back(below + skip);
    }
    if (plan.up[index].attention != StageAttention::None)
        stage.attentions = stage.resnet_inputs.size();
    if (level > 0) stage.sampler = "upsamplers";
    return stage;
}

} // namespace

std::int64_t element_count(const Shape& shape) noexcept
{
    std::int64_t count = 1;
    for (const std::int64_t size : shape)
        count *= size;
    return count;
}

std::vector<NamedShape> parameter_shapes(const UNetPlan& plan)
{
    const std::int64_t first = plan.channels.front(), last = plan.channels.back();
    const std::int64_t time = plan.time_channels();
    std::vector<NamedShape> out;
    const Names root(out, "");
    root.conv("conv_in", plan.in_channels, first, 3);
    root.linear("time_embedding.linear_1", first, time);
    root.linear("time_embedding.linear_2", time, time);
    if (plan.class_rows > 0) out.push_back({"class_embedding.weight", {plan.class_rows, time}});
    for (std::size_t i = 0; i < plan.channels.size(); ++i)
        add_stage(root.below("down_blocks", static_cast<std::int64_t>(i)), down_stage(plan, i),
                  plan.down[i]);
    const bool has_middle = plan.middle.attention != StageAttention::None;
    add_stage(root.below("mid_block"),
              {.resnet_inputs = {last, last}, .out = last, .attentions = has_middle ? 1u : 0u},
              plan.middle);
    for (std::size_t i = 0; i < plan.channels.size(); ++i)
        add_stage(root.below("up_blocks", static_cast<std::int64_t>(i)), up_stage(plan, i),
                  plan.up[i]);
    root.norm("conv_norm_out", first);
    root.conv("conv_out", first, plan.out_channels, 3);
    return out;
}

} // namespace velamen::nn
