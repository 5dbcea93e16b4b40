// SPDX-License-Identifier: GPL-3.0-or-later
//
// A UNet's plan from the shapes of its tensors.

#include "engine/keymap/unet.h"

namespace velamen::keymap {

namespace {

const std::string kWhat = "the UNet";

/// Residual blocks a level: the first output block that ends with an upsampler is the last of its
/// level and has one more than the input side. A single level has no upsampler.
std::int64_t layers_of(const Part& part)
{
    const std::int64_t outputs = part.count_below("output_blocks.");
    for (std::int64_t i = 0; i < outputs; ++i)
        for (const char* place : {".1.", ".2."})
            for (const char* mark : {"conv.weight", "in_layers.0.weight"})
                if (part.holds("output_blocks." + std::to_string(i) + place + mark)) return i;
    return outputs - 1;
}

Result<> refuse_more_than_latents(std::int64_t in, std::int64_t out)
{
    if (in == out) return {};
    const std::string inputs = std::to_string(in) + " inputs";
    const std::string way_out = "choose a checkpoint whose UNet takes nothing but latents";
    switch (in) {
    case 9:
        return fail(ErrorCode::Unsupported,
                    "this is an inpainting UNet, " + inputs
                        + ": it needs a mask and masked latents, which is unsupported here",
                    way_out);
    case 8:
        return fail(ErrorCode::Unsupported,
                    "this is an instruct-pix2pix UNet, " + inputs
                        + ": it needs the latents of an image, which is unsupported here",
                    way_out);
    case 5:
        return fail(ErrorCode::Unsupported,
                    "this is a depth-to-image UNet, " + inputs
                        + ": it needs a depth map, which is unsupported here",
                    way_out);
    default:
        return fail(ErrorCode::Unsupported,
                    "this UNet takes " + inputs + " and gives " + std::to_string(out)
                        + ": it needs something beside latents, which is unsupported here",
                    way_out);
    }
}

} // namespace

Result<UnetPlan> read_unet(const Part& part)
{
    const auto block = [](std::int64_t i) { return "input_blocks." + std::to_string(i) + ".0."; };
    UnetPlan plan;
    plan.in_channels = part.dim("input_blocks.0.0.weight", 1);
    plan.out_channels = part.dim("out.2.weight", 0);
    if (plan.in_channels < 1 || plan.out_channels < 1)
        return unknown_architecture(kWhat, "input_blocks.0.0 or out.2 is not a convolution");
    VELAMEN_TRY(refuse_more_than_latents(plan.in_channels, plan.out_channels));

    plan.layers = layers_of(part);
    const std::int64_t inputs = part.count_below("input_blocks.");
    if (plan.layers < 1 || plan.layers > 16 || inputs % (plan.layers + 1) != 0
        || inputs / (plan.layers + 1) > 16)
        return unknown_architecture(kWhat,
                                    std::to_string(inputs) + " input blocks and "
                                        + std::to_string(part.count_below("output_blocks."))
                                        + " output blocks are not levels of equal length");
    const std::int64_t levels = inputs / (plan.layers + 1);
    for (std::int64_t level = 0; level < levels; ++level) {
        const std::int64_t first = 1 + level * (plan.layers + 1);
        plan.widths.push_back(part.dim(block(first) + "in_layers.2.weight", 0));
        if (plan.widths.back() < 1 || plan.widths.back() > 1 << 20)
            return unknown_architecture(
                kWhat, "input_blocks." + std::to_string(first) + " is not a residual block");
        plan.has_attention.push_back(
            part.has_below("input_blocks." + std::to_string(first) + ".1."));
    }
    plan.has_scale_shift = part.dim(block(1) + "emb_layers.1.weight", 0) == 2 * plan.widths.front();
    plan.resamples_by_resnet =
        levels > 1 && part.holds(block(plan.layers + 1) + "in_layers.0.weight");
    plan.classes = part.dim("label_emb.weight", 0);

    if (part.holds("middle_block.1.qkv.weight")) {
        plan.attention = UnetPlan::Attention::ToSelf;
        return plan;
    }
    plan.depth = part.count_below("middle_block.1.transformer_blocks.");
    plan.context = part.dim("middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1);
    const Entry* projection = part.find("middle_block.1.proj_in.weight");
    if (plan.depth < 1 || plan.depth > 16 || plan.context < 1 || projection == nullptr)
        return unknown_architecture(
            kWhat, "middle_block.1 is neither a SpatialTransformer nor an AttentionBlock");
    plan.has_linear_projections = projection->shape.size() == 2;
    return plan;
}

} // namespace velamen::keymap
