// SPDX-License-Identifier: GPL-3.0-or-later
//
// An autoencoder's plan from shapes, and its tensors under both names (diffusionmodules/model.py;
// diffusers' vae.py).

#include "engine/keymap/autoencoder.h"

#include "engine/core/assert.h"

namespace velamen::keymap {

namespace {

const std::string kWhat = "the autoencoder";

std::string level_path(const char* way, std::int64_t level)
{
    return std::string(way) + "." + std::to_string(level) + ".";
}

class Builder {
public:
    explicit Builder(const AutoencoderPlan& plan) : plan_(plan), levels_(plan.widths.size()) {}

    Blueprint build()
    {
        const std::int64_t latents = plan_.latents;
        const std::int64_t moments = plan_.has_codebook() ? latents : 2 * latents;
        const std::int64_t codes = plan_.has_codebook() ? plan_.code_width : latents;
        encoder(moments);
        decoder();
        made_.conv("quant_conv", "quant_conv", plan_.has_codebook() ? codes : moments, moments, 1);
        made_.conv("post_quant_conv", "post_quant_conv", latents, codes, 1);
        if (plan_.has_codebook())
            made_.tensor("quantize.embedding.weight", "quantize.embedding.weight",
                         {plan_.codes, codes});
        return std::move(made_);
    }

private:
    void encoder(std::int64_t moments)
    {
        std::int64_t width = plan_.widths.front();
        made_.conv("encoder.conv_in", "encoder.conv_in", width, plan_.in_channels);
        for (std::size_t level = 0; level < levels_; ++level) {
            const std::string number = std::to_string(level);
            const std::string theirs = "encoder.down." + number + ".";
            const std::string ours = "encoder.down_blocks." + number + ".";
            width = layers(theirs, ours, plan_.layers, width, plan_.widths[level],
                           plan_.encoder_attention[level]);
            if (level + 1 < levels_)
                made_.conv(theirs + "downsample.conv", ours + "downsamplers.0.conv", width, width);
        }
        middle("encoder.", width);
        made_.norm("encoder.norm_out", "encoder.conv_norm_out", width);
        made_.conv("encoder.conv_out", "encoder.conv_out", moments, width);
    }

    void decoder()
    {
        std::int64_t width = plan_.widths.back();
        made_.conv("decoder.conv_in", "decoder.conv_in", width, plan_.latents);
        middle("decoder.", width);
        for (std::size_t level = levels_; level-- > 0;) {
            const std::string theirs = "decoder.up." + std::to_string(level) + ".";
            const std::string ours =
                "decoder.up_blocks." + std::to_string(levels_ - 1 - level) + ".";
            width = layers(theirs, ours, plan_.layers + 1, width, plan_.widths[level],
                           plan_.decoder_attention[level]);
            if (level > 0)
                made_.conv(theirs + "upsample.conv", ours + "upsamplers.0.conv", width, width);
        }
        made_.norm("decoder.norm_out", "decoder.conv_norm_out", width);
        made_.conv("decoder.conv_out", "decoder.conv_out", plan_.out_channels, width);
    }

    std::int64_t layers(const std::string& theirs, const std::string& ours, std::int64_t count,
                        std::int64_t in, std::int64_t out, bool has_attention)
    {
        const std::string their_resnet = theirs + "block.", our_resnet = ours + "resnets.";
        const std::string their_attention = theirs + "attn.", our_attention = ours + "attentions.";
        for (std::int64_t layer = 0; layer < count; ++layer) {
            const std::string number = std::to_string(layer);
            resnet(their_resnet + number, our_resnet + number, layer == 0 ? in : out, out);
            if (has_attention) attention(their_attention + number, our_attention + number, out);
        }
        return out;
    }

    void middle(const std::string& half, std::int64_t width)
    {
        resnet(half + "mid.block_1", half + "mid_block.resnets.0", width, width);
        attention(half + "mid.attn_1", half + "mid_block.attentions.0", width);
        resnet(half + "mid.block_2", half + "mid_block.resnets.1", width, width);
    }

    void resnet(const std::string& theirs, const std::string& ours, std::int64_t in,
                std::int64_t out)
    {
        made_.norm(theirs + ".norm1", ours + ".norm1", in);
        made_.conv(theirs + ".conv1", ours + ".conv1", out, in);
        made_.norm(theirs + ".norm2", ours + ".norm2", out);
        made_.conv(theirs + ".conv2", ours + ".conv2", out, out);
        if (in != out) made_.conv(theirs + ".nin_shortcut", ours + ".conv_shortcut", out, in, 1);
    }

    void attention(const std::string& theirs, const std::string& ours, std::int64_t width)
    {
        made_.norm(theirs + ".norm", ours + ".group_norm", width);
        made_.pointwise(theirs + ".q", ours + ".to_q", width, width, 2);
        made_.pointwise(theirs + ".k", ours + ".to_k", width, width, 2);
        made_.pointwise(theirs + ".v", ours + ".to_v", width, width, 2);
        made_.pointwise(theirs + ".proj_out", ours + ".to_out.0", width, width, 2);
    }

    const AutoencoderPlan& plan_;
    std::size_t levels_;
    Blueprint made_;
};

} // namespace

Result<AutoencoderPlan> read_autoencoder(const Part& part)
{
    AutoencoderPlan plan;
    plan.in_channels = part.dim("encoder.conv_in.weight", 1);
    plan.out_channels = part.dim("decoder.conv_out.weight", 0);
    plan.latents = part.dim("decoder.conv_in.weight", 1);
    const std::int64_t levels = part.count_below("encoder.down.");
    plan.layers = part.count_below("encoder.down.0.block.");
    if (plan.in_channels < 1 || plan.out_channels < 1 || plan.latents < 1 || levels < 1
        || levels > 16 || plan.layers < 1 || plan.layers > 16)
        return unknown_architecture(kWhat,
                                    "encoder and decoder are not both there with levels ("
                                        + std::to_string(part.size()) + " tensors)");
    for (std::int64_t level = 0; level < levels; ++level) {
        const std::string down = level_path("encoder.down", level);
        plan.widths.push_back(part.dim(down + "block.0.conv1.weight", 0));
        if (plan.widths.back() < 1)
            return unknown_architecture(kWhat, down + "block.0 is not a residual block");
        plan.encoder_attention.push_back(part.has_below(down + "attn."));
        plan.decoder_attention.push_back(part.has_below(level_path("decoder.up", level) + "attn."));
    }
    // Twice the latents are means and variances; a codebook looks up the latents themselves.
    if (part.holds("quantize.embedding.weight")
        || part.dim("quant_conv.weight", 1) == plan.latents) {
        plan.codes = part.dim("quantize.embedding.weight", 0);
        plan.code_width = part.dim("quantize.embedding.weight", 1);
        if (plan.codes < 1 || plan.code_width < 1)
            return unknown_architecture(
                kWhat, "it has a codebook's quant_conv but no quantize.embedding.weight");
    }
    return plan;
}

Blueprint blueprint_of(const AutoencoderPlan& plan)
{
    VELAMEN_ASSERT(!plan.widths.empty() && plan.encoder_attention.size() == plan.widths.size()
                   && plan.decoder_attention.size() == plan.widths.size());
    return Builder(plan).build();
}

} // namespace velamen::keymap
