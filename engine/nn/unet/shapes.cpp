// SPDX-License-Identifier: GPL-3.0-or-later
//
// The parameters of the layers, stage by stage, as stages.cpp and model.cpp register them.

#include "engine/nn/unet/shapes.h"

#include <utility>

#include "engine/core/assert.h"

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

void add_attention(const Names& n, std::int64_t channels, std::int64_t context)
{
    n.linear("to_q", channels, channels, false);
    n.linear("to_k", context, channels, false);
    n.linear("to_v", context, channels, false);
    n.linear("to_out.0", channels, channels);
}

void add_transformer(const Names& n, std::int64_t channels, const UNet2DConditionConfig& config)
{
    const auto projection = [&](const std::string& name) {
        if (config.use_linear_projection)
            n.linear(name, channels, channels);
        else
            n.conv(name, channels, channels, 1);
    };
    n.norm("norm", channels);
    projection("proj_in");
    for (std::int64_t i = 0; i < config.transformer_layers_per_block; ++i) {
        const Names block = n.below("transformer_blocks", i);
        block.norm("norm1", channels);
        add_attention(block.below("attn1"), channels, channels);
        block.norm("norm2", channels);
        add_attention(block.below("attn2"), channels, config.cross_attention_dim);
        block.norm("norm3", channels);
        block.linear("ff.net.0.proj", channels, 8 * channels);
        block.linear("ff.net.2", 4 * channels, channels);
    }
    projection("proj_out");
}

void add_resnet(const Names& n, std::int64_t in, std::int64_t out, std::int64_t time)
{
    n.norm("norm1", in);
    n.conv("conv1", in, out, 3);
    n.linear("time_emb_proj", time, out);
    n.norm("norm2", out);
    n.conv("conv2", out, out, 3);
    if (in != out) n.conv("conv_shortcut", in, out, 1);
}

/// One stage: attentions first, then resnets, as they are registered.
struct Stage {
    std::vector<std::int64_t> resnet_inputs;
    std::int64_t out = 0;
    std::int64_t attentions = 0;
    const char* sampler = nullptr; ///< "downsamplers", "upsamplers" or none
};

void add_stage(const Names& n, const Stage& stage, const UNet2DConditionConfig& config)
{
    const std::int64_t time = 4 * config.block_out_channels.front();
    for (std::int64_t i = 0; i < stage.attentions; ++i)
        add_transformer(n.below("attentions", i), stage.out, config);
    for (std::size_t i = 0; i < stage.resnet_inputs.size(); ++i)
        add_resnet(n.below("resnets", static_cast<std::int64_t>(i)), stage.resnet_inputs[i],
                   stage.out, time);
    if (stage.sampler != nullptr) n.below(stage.sampler, 0).conv("conv", stage.out, stage.out, 3);
}

Stage down_stage(const UNet2DConditionConfig& config, std::size_t level)
{
    const auto& channels = config.block_out_channels;
    Stage stage{.out = channels[level]};
    for (std::int64_t i = 0; i < config.layers_per_block; ++i)
        stage.resnet_inputs.push_back(i == 0 && level > 0 ? channels[level - 1] : channels[level]);
    if (config.down_block_types[level] == "CrossAttnDownBlock2D")
        stage.attentions = config.layers_per_block;
    if (level + 1 < channels.size()) stage.sampler = "downsamplers";
    return stage;
}

Stage up_stage(const UNet2DConditionConfig& config, std::size_t index)
{
    const auto& channels = config.block_out_channels;
    const std::size_t level = channels.size() - 1 - index;
    Stage stage{.out = channels[level]};
    for (std::int64_t i = 0; i <= config.layers_per_block; ++i) {
        const bool is_last = i == config.layers_per_block;
        const std::int64_t skip = is_last && level > 0 ? channels[level - 1] : channels[level];
        const std::int64_t below = i == 0 && index > 0 ? channels[level + 1] : channels[level];
        stage.resnet_inputs.push_back(below + skip);
    }
    if (config.up_block_types[index] == "CrossAttnUpBlock2D")
        stage.attentions = config.layers_per_block + 1;
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

std::vector<NamedShape> parameter_shapes(const UNet2DConditionConfig& config)
{
    VELAMEN_ASSERT(config.check().has_value());
    const std::int64_t first = config.block_out_channels.front();
    const std::int64_t last = config.block_out_channels.back();
    std::vector<NamedShape> out;
    const Names root(out, "");
    root.conv("conv_in", config.in_channels, first, 3);
    root.linear("time_embedding.linear_1", first, 4 * first);
    root.linear("time_embedding.linear_2", 4 * first, 4 * first);
    const auto levels = static_cast<std::int64_t>(config.block_out_channels.size());
    for (std::int64_t i = 0; i < levels; ++i)
        add_stage(root.below("down_blocks", i), down_stage(config, static_cast<std::size_t>(i)),
                  config);
    add_stage(root.below("mid_block"),
              {.resnet_inputs = {last, last}, .out = last, .attentions = 1}, config);
    for (std::int64_t i = 0; i < levels; ++i)
        add_stage(root.below("up_blocks", i), up_stage(config, static_cast<std::size_t>(i)),
                  config);
    root.norm("conv_norm_out", first);
    root.conv("conv_out", first, config.out_channels, 3);
    return out;
}

} // namespace velamen::nn
