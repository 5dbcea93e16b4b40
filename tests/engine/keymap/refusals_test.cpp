// SPDX-License-Identifier: GPL-3.0-or-later
//
// Files that are something else: what is said of them.

#include <gtest/gtest.h>

#include "tests/engine/keymap/goldens.h"

namespace velamen::keymap {
namespace {

using namespace test;

std::vector<Entry> named(const std::vector<std::string>& names)
{
    std::vector<Entry> entries;
    for (const std::string& name : names)
        entries.push_back({name, DType::F16, {4, 4}});
    return entries;
}

void expect_refused(const std::vector<Entry>& entries, const std::string& message,
                    const SingleFileOptions& options = {})
{
    const auto file = from_compvis(entries, options);
    ASSERT_FALSE(file) << message;
    EXPECT_EQ(file.error().code, ErrorCode::Unsupported);
    EXPECT_EQ(file.error().message, message);
    EXPECT_FALSE(file.error().hint.empty());
}

TEST(Refusals, LoraNeedsABaseModel)
{
    for (const char* name : {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight",
                             "unet.down_blocks.0.attn1.to_q.lora_A.weight",
                             "lora_te_text_model.alpha", "unet.mid.hada_w1_a"})
        expect_refused(named({name}),
                       std::string("this is a LoRA (1 such tensors (") + name
                           + ")): it needs a base model");
}

TEST(Refusals, LoraBesideWeightsHasToBeMerged)
{
    auto entries = twin("uncond");
    entries.push_back({"model.diffusion_model.middle_block.1.qkv.lora_A", DType::F32, {4, 4}});
    expect_refused(entries,
                   "this checkpoint has LoRA weights beside its own: 1 of them "
                   "(model.diffusion_model.middle_block.1.qkv.lora_A)",
                   twin_options("uncond"));
}

TEST(Refusals, OtherModelsAreNamed)
{
    expect_refused(named({"control_model.input_blocks.0.0.weight"}),
                   "this is a ControlNet (1 such tensors (control_model.input_blocks.0.0.weight)), "
                   "which is unsupported here");
    expect_refused(
        named({"conditioner.embedders.0.transformer.text_model.x"}),
        "this is an SDXL checkpoint or one with a further embedding (1 such tensors "
        "(conditioner.embedders.0.transformer.text_model.x)), which is unsupported here");
    expect_refused(named({"model.diffusion_model.joint_blocks.0.x", "double_blocks.0.y"}),
                   "this is a transformer like SD3 or Flux (2 such tensors (double_blocks.0.y, "
                   "model.diffusion_model.joint_blocks.0.x)), not a latent diffusion UNet");
    expect_refused(named({"down_blocks.0.resnets.0.norm1.weight"}),
                   "this file has diffusers' names (1 such tensors "
                   "(down_blocks.0.resnets.0.norm1.weight)) but no config beside it");
}

TEST(Refusals, TextEncoderAloneIsNamed)
{
    expect_refused(named({"text_model.embeddings.token_embedding.weight",
                          "text_model.final_layer_norm.weight"}),
                   "this is a text encoder alone (2 tensors): it needs a UNet");
    auto entries = twin("clip");
    std::erase_if(entries,
                  [](const Entry& entry) { return !entry.name.starts_with("cond_stage_model."); });
    expect_refused(entries, "this is a text encoder alone (52 tensors): it needs a UNet");
}

TEST(Refusals, UNetsThatTakeMoreThanLatentsAreNamed)
{
    const auto with_inputs = [](std::int64_t inputs) {
        auto entries = twin("cond_conv");
        for (Entry& entry : entries)
            if (entry.name.ends_with("input_blocks.0.0.weight")) entry.shape.at(1) = inputs;
        return entries;
    };
    const auto options = twin_options("cond_conv");
    expect_refused(
        with_inputs(9),
        "this is an inpainting UNet, 9 inputs: it needs a mask and masked latents, which "
        "is unsupported here",
        options);
    expect_refused(with_inputs(8),
                   "this is an instruct-pix2pix UNet, 8 inputs: it needs the latents of an image, "
                   "which is unsupported here",
                   options);
    expect_refused(with_inputs(5),
                   "this is a depth-to-image UNet, 5 inputs: it needs a depth map, which is "
                   "unsupported here",
                   options);
    expect_refused(with_inputs(7),
                   "this UNet takes 7 inputs and gives 4: it needs something beside latents, which "
                   "is unsupported here",
                   options);
}

TEST(Refusals, UnknownFilesNameTheFirstTensors)
{
    expect_refused(
        named({"a", "b", "c", "d", "e", "f"}),
        "this is not a latent diffusion checkpoint: 6 tensors not recognised (a, b, c, d, "
        "e, ...)");
    expect_refused({}, "this file has no tensors of a model");
    expect_refused(named({"betas"}), "this file has no tensors of a model");
}

TEST(Refusals, UNetOfAnotherArchitectureSaysWhatIsMissing)
{
    auto entries = twin("cond_conv");
    std::erase_if(entries,
                  [](const Entry& entry) { return entry.name.ends_with("attn2.to_v.weight"); });
    expect_refused(
        entries,
        "the UNet is of an unknown architecture: 280 of 280 tensors recognised, 8 missing "
        "(input_blocks.1.1.transformer_blocks.0.attn2.to_v.weight, "
        "input_blocks.1.1.transformer_blocks.1.attn2.to_v.weight, "
        "middle_block.1.transformer_blocks.0.attn2.to_v.weight, "
        "middle_block.1.transformer_blocks.1.attn2.to_v.weight, "
        "output_blocks.2.1.transformer_blocks.0.attn2.to_v.weight, ...)",
        twin_options("cond_conv"));
}

TEST(Refusals, QuantisedWeightsAreNamed)
{
    auto entries = twin("kl");
    for (Entry& entry : entries)
        if (entry.name.ends_with("encoder.conv_in.weight")) entry.dtype = DType::I8;
    expect_refused(entries,
                   "the autoencoder has quantised weights, which is unsupported here: "
                   "encoder.conv_in.weight is I8");
}

TEST(Refusals, PartsOfTwoModelsDoNotFit)
{
    auto entries = twin("cond_conv"); // takes a condition of 24
    for (const Entry& entry : twin("clip"))
        if (entry.name.starts_with("cond_stage_model.")) entries.push_back(entry);
    auto options = twin_options("cond_conv");
    options.text_heads = 4;
    const auto file = from_compvis(entries, options);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::Corrupt);
    EXPECT_EQ(file.error().message,
              "the UNet takes a condition of width 24, the file's conditioner gives 32");

    entries = twin("uncond"); // latents of 3 channels
    for (const Entry& entry : twin("kl"))
        entries.push_back(entry);
    const auto other = from_compvis(entries, twin_options("uncond"));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message,
              "the UNet takes latents of 3 channels, the file's autoencoder has 2");
}

} // namespace
} // namespace velamen::keymap
