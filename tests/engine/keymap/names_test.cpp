// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names beside those of the goldens: other prefixes, files of one model, leftovers of training,
// names of old versions. The oracle is the list in the loaders of diffusers and
// stable-diffusion.cpp.

#include <algorithm>

#include <gtest/gtest.h>

#include "engine/keymap/modern_name.h"
#include "tests/engine/keymap/goldens.h"

namespace velamen::keymap {
namespace {

using namespace test;

std::vector<Entry> without_prefix(const std::string& name, const std::string& prefix)
{
    auto entries = twin(name);
    for (Entry& entry : entries)
        if (entry.name.starts_with(prefix)) entry.name.erase(0, prefix.size());
    return entries;
}

void append(std::vector<Entry>& to, const std::vector<Entry>& more)
{
    to.insert(to.end(), more.begin(), more.end());
}

/// Equal but for where the tensors come from.
void expect_same_models(const SingleFile& a, const SingleFile& b)
{
    ASSERT_EQ(a.components.size(), b.components.size());
    for (std::size_t i = 0; i < a.components.size(); ++i) {
        EXPECT_EQ(a.components[i].name, b.components[i].name);
        EXPECT_EQ(a.components[i].config, b.components[i].config);
        EXPECT_EQ(count_of(a.components[i].tensors), count_of(b.components[i].tensors));
    }
}

TEST(Names, AUNetMayStandWithoutItsPrefix)
{
    const auto file =
        from_compvis(without_prefix("uncond", "model.diffusion_model."), twin_options("uncond"));
    ASSERT_TRUE(file) << file.error().message;
    expect_same_models(*file, *from_compvis(twin("uncond"), twin_options("uncond")));
}

TEST(Names, AnAutoencoderMayStandWithoutItsPrefixOrUnderAnother)
{
    const auto whole = from_compvis(twin("kl"));
    ASSERT_TRUE(whole);
    auto bare = without_prefix("kl", "first_stage_model.");
    bare.push_back({"loss.logvar", DType::F32, {}});
    bare.push_back({"loss.perceptual_loss.net.slice1.0.weight", DType::F32, {64, 3, 3, 3}});
    const auto file = from_compvis(bare);
    ASSERT_TRUE(file) << file.error().message;
    expect_same_models(*file, *whole);
    EXPECT_EQ(file->ignored.size(), 2U);
    EXPECT_TRUE(file->scheduler.is_null());

    auto other = without_prefix("kl", "first_stage_model.");
    for (Entry& entry : other)
        entry.name = "vae." + entry.name;
    const auto merged = from_compvis(other);
    ASSERT_TRUE(merged) << merged.error().message;
    expect_same_models(*merged, *whole);
}

TEST(Names, TextModelMayBeLeftOutOfClip)
{
    auto entries = twin("clip");
    const std::string with = "cond_stage_model.transformer.text_model.";
    for (Entry& entry : entries)
        if (entry.name.starts_with(with))
            entry.name = "cond_stage_model.transformer." + entry.name.substr(with.size());
    const auto file = from_compvis(entries, twin_options("clip"));
    ASSERT_TRUE(file) << file.error().message;
    expect_same_models(*file, *from_compvis(twin("clip"), twin_options("clip")));
}

TEST(Names, WhatFollowsFromTheConfigIsIgnored)
{
    auto entries = twin("open_clip");
    append(entries, twin("kl"));
    for (Entry& entry : entries) { // latents of the small UNet
        if (entry.name.starts_with("first_stage_model.")) entry.name = "old." + entry.name;
    }
    std::erase_if(entries, [](const Entry& entry) { return entry.name.starts_with("old."); });
    const std::vector<std::string> leftovers{
        "betas",
        "alphas_cumprod",
        "alphas_cumprod_prev",
        "sqrt_alphas_cumprod",
        "sqrt_recipm1_alphas_cumprod",
        "log_one_minus_alphas_cumprod",
        "posterior_variance",
        "posterior_mean_coef1",
        "lvlb_weights",
        "logvar",
        "ddim_sigmas",
        "global_step",
        "cond_stage_model.transformer.text_model.embeddings.position_ids",
        "cond_stage_model.model.transformer.resblocks.23.ln_1.weight",
        "first_stage_model.loss.discriminator.main.0.weight",
    };
    for (const std::string& name : leftovers)
        entries.push_back({name, DType::F32, {1000}});
    const auto file = from_compvis(entries, twin_options("open_clip"));
    ASSERT_TRUE(file) << file.error().message;
    for (const std::string& name : leftovers)
        EXPECT_NE(std::ranges::find(file->ignored, name), file->ignored.end()) << name;
    ASSERT_TRUE(file->betas);
    EXPECT_EQ(entries[*file->betas].name, "betas");
    for (const char* name : {"text_projection", "logit_scale", "attn_mask"})
        EXPECT_NE(std::ranges::find(file->ignored, std::string("cond_stage_model.model.") + name),
                  file->ignored.end())
            << name;
}

TEST(Names, ScaleOfTheLatentsIsPointedAt)
{
    auto entries = twin("uncond");
    entries.insert(entries.begin(), {"scale_factor", DType::F32, {}});
    const auto file = from_compvis(entries, twin_options("uncond"));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->scale_factor, 0U);
    EXPECT_FALSE(from_compvis(twin("uncond"), twin_options("uncond"))->scale_factor);
}

// A substring is not a segment: "betas_of_mine" is nobody's.
TEST(Names, EverythingElseIsAnErrorThatNamesIt)
{
    for (const char* name :
         {"betas_of_mine", "model.diffusion_model_2.x", "first_stage_model_loss.x", "my.betas",
          "logvar.x", "sqrt_x.y", "cond_stage_models.x"}) {
        auto entries = twin("uncond");
        entries.push_back({name, DType::F32, {1}});
        const auto file = from_compvis(entries, twin_options("uncond"));
        ASSERT_FALSE(file) << name;
        EXPECT_EQ(file.error().code, ErrorCode::Unsupported);
        EXPECT_NE(file.error().message.find(name), std::string::npos) << file.error().message;
    }
    auto inside = twin("uncond");
    inside.push_back(
        {"model.diffusion_model.input_blocks.1.0.in_layers.22.weight", DType::F32, {1}});
    const auto file = from_compvis(inside, twin_options("uncond"));
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().message,
              "the UNet is of an unknown architecture: 128 of 129 tensors recognised, 1 not "
              "recognised (input_blocks.1.0.in_layers.22.weight)");
}

TEST(Names, TwiceTheSameIsCorrupt)
{
    auto entries = twin("uncond");
    entries.push_back(entries.front());
    const auto twice = from_compvis(entries, twin_options("uncond"));
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, ErrorCode::Corrupt);

    entries = twin("kl");
    entries.push_back(entries.front());
    entries.back().name.replace(0, std::string("first_stage_model").size(), "vae");
    const auto twin_prefix = from_compvis(entries);
    ASSERT_FALSE(twin_prefix);
    EXPECT_EQ(twin_prefix.error().code, ErrorCode::Corrupt);
}

TEST(Names, ImpossibleShapesAreCorrupt)
{
    for (const std::int64_t size : {std::int64_t{-1}, std::int64_t{1} << 62}) {
        auto entries = twin("uncond");
        entries.front().shape.at(0) = size;
        const auto file = from_compvis(entries, twin_options("uncond"));
        ASSERT_FALSE(file);
        EXPECT_EQ(file.error().code, ErrorCode::Corrupt);
    }
}

TEST(Names, OldAttentionNamesBecomeThoseOfToday)
{
    const std::string path = "encoder.mid_block.attentions.0.";
    EXPECT_EQ(modern_name(path + "query.weight"), path + "to_q.weight");
    EXPECT_EQ(modern_name(path + "key.bias"), path + "to_k.bias");
    EXPECT_EQ(modern_name(path + "value.weight"), path + "to_v.weight");
    EXPECT_EQ(modern_name(path + "proj_attn.bias"), path + "to_out.0.bias");
    for (const char* name :
         {"encoder.mid_block.attentions.0.to_q.weight",
          "encoder.mid_block.attentions.0.group_norm.weight", "query.weight", "attentions.0.query",
          "layers.0.query.weight", "attentions.x.key.weight", "attentions.0.query.scale",
          "attentions.0.inner.query.weight"})
        EXPECT_EQ(modern_name(name), name);
}

TEST(Names, OldAttentionNamesGoBackToo)
{
    const auto file = from_compvis(twin("kl"));
    ASSERT_TRUE(file);
    auto components = stored(*file);
    const std::vector<std::pair<std::string, std::string>> old{{".to_q.", ".query."},
                                                               {".to_k.", ".key."},
                                                               {".to_v.", ".value."},
                                                               {".to_out.0.", ".proj_attn."}};
    for (Entry& entry : components[0].tensors)
        for (const auto& [today, former] : old)
            if (const auto at = entry.name.find(today); at != std::string::npos)
                entry.name.replace(at, today.size(), former);
    const auto back = to_compvis(components);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, *to_compvis(stored(*file)));
}

TEST(Names, TransformersNamesAreReadWithAndWithoutTextModel)
{
    const auto file = from_compvis(twin("clip"), twin_options("clip"));
    ASSERT_TRUE(file);
    auto components = stored(*file);
    const auto flat = to_compvis(components);
    ASSERT_TRUE(flat) << flat.error().message;
    for (Entry& entry : components[1].tensors)
        entry.name = "text_model." + entry.name;
    components[1].tensors.push_back({"text_model.embeddings.position_ids", DType::I64, {1, 77}});
    const auto prefixed = to_compvis(components);
    ASSERT_TRUE(prefixed) << prefixed.error().message;
    EXPECT_EQ(*prefixed, *flat);
}

} // namespace
} // namespace velamen::keymap
