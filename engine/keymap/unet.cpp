// SPDX-License-Identifier: GPL-3.0-or-later
//
// A UNet's tensors under both names (openaimodel.py; diffusers' unet_2d_condition.py, unet_2d.py).

#include "engine/keymap/unet.h"

#include "engine/core/assert.h"

namespace velamen::keymap {

namespace {

class Builder {
public:
    explicit Builder(const UnetPlan& plan) : plan_(plan), time_(4 * plan.widths.front()) {}

    Blueprint build()
    {
        const std::int64_t first = plan_.widths.front();
        made_.linear("time_embed.0", "time_embedding.linear_1", time_, first);
        made_.linear("time_embed.2", "time_embedding.linear_2", time_, time_);
        if (plan_.classes > 0)
            made_.tensor("label_emb.weight", "class_embedding.weight", {plan_.classes, time_});
        made_.conv("input_blocks.0.0", "conv_in", first, plan_.in_channels);
        skips_ = {first};
        const std::size_t levels = plan_.widths.size();
        std::int64_t width = first;
        for (std::size_t level = 0; level < levels; ++level)
            width = down(level, width);
        resnet("middle_block.0", "mid_block.resnets.0", width, width);
        attention("middle_block.1", "mid_block.attentions.0", levels - 1);
        resnet("middle_block.2", "mid_block.resnets.1", width, width);
        for (std::size_t level = levels; level-- > 0;)
            width = up(level, width);
        made_.norm("out.0", "conv_norm_out", first);
        made_.conv("out.2", "conv_out", plan_.out_channels, first);
        return std::move(made_);
    }

private:
    std::int64_t down(std::size_t level, std::int64_t width)
    {
        const std::string block = "down_blocks." + std::to_string(level) + ".";
        const std::string resnets = block + "resnets.", attentions = block + "attentions.";
        const std::int64_t own = plan_.widths[level];
        for (std::int64_t layer = 0; layer < plan_.layers; ++layer) {
            const std::string theirs = "input_blocks." + std::to_string(skips_.size()) + ".";
            const std::string number = std::to_string(layer);
            resnet(theirs + "0", resnets + number, width, own);
            if (plan_.has_attention[level]) attention(theirs + "1", attentions + number, level);
            width = own;
            skips_.push_back(own);
        }
        if (level + 1 == plan_.widths.size()) return width;
        const std::string theirs = "input_blocks." + std::to_string(skips_.size()) + ".0";
        if (plan_.resamples_by_resnet)
            resnet(theirs, block + "downsamplers.0", own, own);
        else
            made_.conv(theirs + ".op", block + "downsamplers.0.conv", own, own);
        skips_.push_back(own);
        return width;
    }

    std::int64_t up(std::size_t level, std::int64_t width)
    {
        const std::string block =
            "up_blocks." + std::to_string(plan_.widths.size() - 1 - level) + ".";
        const std::string resnets = block + "resnets.", attentions = block + "attentions.";
        const std::int64_t own = plan_.widths[level];
        for (std::int64_t layer = 0; layer <= plan_.layers; ++layer) {
            const std::string theirs = "output_blocks." + std::to_string(outputs_++) + ".";
            const std::string number = std::to_string(layer);
            resnet(theirs + "0", resnets + number, width + skips_.back(), own);
            skips_.pop_back();
            width = own;
            if (plan_.has_attention[level]) attention(theirs + "1", attentions + number, level);
            if (level == 0 || layer < plan_.layers) continue;
            const std::string upsampler = theirs + (plan_.has_attention[level] ? "2" : "1");
            if (plan_.resamples_by_resnet)
                resnet(upsampler, block + "upsamplers.0", own, own);
            else
                made_.conv(upsampler + ".conv", block + "upsamplers.0.conv", own, own);
        }
        return width;
    }

    void resnet(const std::string& theirs, const std::string& ours, std::int64_t in,
                std::int64_t out)
    {
        made_.norm(theirs + ".in_layers.0", ours + ".norm1", in);
        made_.conv(theirs + ".in_layers.2", ours + ".conv1", out, in);
        made_.linear(theirs + ".emb_layers.1", ours + ".time_emb_proj",
                     plan_.has_scale_shift ? 2 * out : out, time_);
        made_.norm(theirs + ".out_layers.0", ours + ".norm2", out);
        made_.conv(theirs + ".out_layers.3", ours + ".conv2", out, out);
        if (in != out) made_.conv(theirs + ".skip_connection", ours + ".conv_shortcut", out, in, 1);
    }

    void attention(const std::string& theirs, const std::string& ours, std::size_t level)
    {
        const std::int64_t width = plan_.widths[level];
        if (plan_.attention == UnetPlan::Attention::ToSelf) {
            made_.norm(theirs + ".norm", ours + ".group_norm", width);
            made_.thirds(theirs + ".qkv.weight", theirs + ".qkv.bias",
                         {ours + ".to_q", ours + ".to_k", ours + ".to_v"}, width, 1,
                         plan_.heads[level]);
            made_.pointwise(theirs + ".proj_out", ours + ".to_out.0", width, width, 1);
            return;
        }
        made_.norm(theirs + ".norm", ours + ".norm", width);
        projection(theirs + ".proj_in", ours + ".proj_in", width);
        for (std::int64_t i = 0; i < plan_.depth; ++i) {
            const std::string block = ".transformer_blocks." + std::to_string(i) + ".";
            transformer_block(theirs + block, ours + block, width);
        }
        projection(theirs + ".proj_out", ours + ".proj_out", width);
    }

    void projection(const std::string& theirs, const std::string& ours, std::int64_t width)
    {
        if (plan_.has_linear_projections)
            made_.linear(theirs, ours, width, width);
        else
            made_.conv(theirs, ours, width, width, 1);
    }

    void transformer_block(const std::string& theirs, const std::string& ours, std::int64_t width)
    {
        for (const char* name : {"attn1", "attn2"}) {
            const std::int64_t in = name == std::string("attn1") ? width : plan_.context;
            const std::string path = name + std::string(".");
            made_.linear(theirs + path + "to_q", ours + path + "to_q", width, width, false);
            made_.linear(theirs + path + "to_k", ours + path + "to_k", width, in, false);
            made_.linear(theirs + path + "to_v", ours + path + "to_v", width, in, false);
            made_.linear(theirs + path + "to_out.0", ours + path + "to_out.0", width, width);
        }
        // GEGLU: values and gates of four times the width.
        made_.linear(theirs + "ff.net.0.proj", ours + "ff.net.0.proj", 8 * width, width);
        made_.linear(theirs + "ff.net.2", ours + "ff.net.2", width, 4 * width);
        for (const char* name : {"norm1", "norm2", "norm3"})
            made_.norm(theirs + name, ours + name, width);
    }

    const UnetPlan& plan_;
    std::int64_t time_;
    std::vector<std::int64_t> skips_; // channels of what the output side takes, last first
    std::int64_t outputs_ = 0;
    Blueprint made_;
};

} // namespace

Blueprint blueprint_of(const UnetPlan& plan)
{
    VELAMEN_ASSERT(!plan.widths.empty() && plan.has_attention.size() == plan.widths.size()
                   && plan.heads.size() == plan.widths.size());
    return Builder(plan).build();
}

} // namespace velamen::keymap
