// SPDX-License-Identifier: GPL-3.0-or-later
//
// What shapes do not tell: attention heads, prediction, noise schedule, scale of the latents. The
// oracles are the published configs.

#include <algorithm>

#include <gtest/gtest.h>

#include "engine/keymap/families.h"
#include "engine/keymap/unet.h"
#include "tests/engine/keymap/goldens.h"

namespace velamen::keymap {
namespace {

using namespace test;

/// A published UNet under CompVis's names.
std::vector<Entry> unet_of(const std::string& family)
{
    const io::Json goldens = golden("families.json");
    const io::Json& config = *goldens.find(family)->find("diffusers")->find("unet")->find("config");
    const Blueprint blueprint = blueprint_of(unet_from_config(config).value());
    std::vector<Entry> entries;
    for (const Slot& slot : blueprint.slots())
        if (slot.third <= 0)
            entries.push_back(
                {"model.diffusion_model." + slot.theirs, DType::F32, slot.their_shape});
    return entries;
}

io::Json config_of(const SingleFile& file, const std::string& name)
{
    return component(file, name)->config;
}

bool says(const SingleFile& file, const std::string& note)
{
    return std::ranges::find(file.notes, note) != file.notes.end();
}

TEST(Heads, AreKnownOfTheFamilyOrTold)
{
    const auto known = from_compvis(unet_of("sd1"));
    ASSERT_TRUE(known) << known.error().message;
    EXPECT_EQ(config_of(*known, "unet").integer("attention_head_dim").value(), 8);
    EXPECT_TRUE(says(*known, "attention heads: [8,8,8,8], as known of sd1"));

    const auto told = from_compvis(unet_of("sd1"), {.heads = {5, 10, 20, 20}});
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_EQ(config_of(*told, "unet").integers("attention_head_dim").value(),
              (std::vector<std::int64_t>{5, 10, 20, 20}));
    EXPECT_TRUE(says(*told, "attention heads: [5,10,20,20], as told"));
}

// DP-LDM trains with num_head_channels 8 and finetunes with num_heads 8: [16,32,32,64] or 8.
TEST(Heads, HaveToBeToldWhereTwoConfigsDiffer)
{
    for (const char* family : {"dp-ldm-cifar", "dp-ldm-emnist"}) {
        const auto file = from_compvis(unet_of(family));
        ASSERT_FALSE(file);
        EXPECT_EQ(file.error().code, ErrorCode::Incomplete);
        EXPECT_EQ(file.error().message,
                  "attention heads are not visible in the shapes of this UNet");
        EXPECT_NE(file.error().hint.find("DP-LDM's config of finetuning"), std::string::npos);
    }
    const auto pretrained = from_compvis(unet_of("dp-ldm-cifar"), {.head_channels = 8});
    ASSERT_TRUE(pretrained) << pretrained.error().message;
    EXPECT_EQ(config_of(*pretrained, "unet").integers("attention_head_dim").value(),
              (std::vector<std::int64_t>{16, 32, 32, 64}));
}

TEST(Heads, OfUnknownShapesHaveToBeTold)
{
    for (const char* name : {"cond_conv", "uncond"}) {
        const auto file = from_compvis(twin(name), {.betas = Betas{0.001, 0.02}});
        ASSERT_FALSE(file);
        EXPECT_EQ(file.error().code, ErrorCode::Incomplete);
        EXPECT_NE(file.error().hint.find("pass the number of heads"), std::string::npos);
    }
    auto options = twin_options("clip");
    options.text_heads = 0;
    const auto text = from_compvis(twin("clip"), options);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, ErrorCode::Incomplete);
    EXPECT_EQ(text.error().message,
              "attention heads are not visible in the shapes of a text encoder of width 32");
}

TEST(Heads, HaveToDivideTheChannels)
{
    for (const SingleFileOptions& options :
         std::vector<SingleFileOptions>{{.heads = {7}},
                                        {.heads = {0}},
                                        {.heads = {-8}},
                                        {.heads = {8, 8}},
                                        {.head_channels = 3 * 37},
                                        {.head_channels = -1},
                                        {.heads = {8}, .head_channels = 40}}) {
        const auto file = from_compvis(unet_of("sd1"), options);
        ASSERT_FALSE(file);
        EXPECT_EQ(file.error().code, ErrorCode::InvalidArgument);
        EXPECT_FALSE(file.error().message.empty());
    }
    auto options = twin_options("clip");
    options.text_heads = 5;
    EXPECT_EQ(from_compvis(twin("clip"), options).error().code, ErrorCode::InvalidArgument);
}

// The order of the rows of qkv depends on the heads, and the class on how they are told.
TEST(Heads, OfAnUnconditionalUNetChooseItsClass)
{
    auto options = twin_options("uncond_resnets"); // widths 32, 64, 128
    options.head_channels = 0;
    options.heads = {4};
    const auto equal = from_compvis(twin("uncond_resnets"), options);
    ASSERT_TRUE(equal) << equal.error().message;
    EXPECT_EQ(config_of(*equal, "unet").text("_class_name").value(), "LatentUNet2D");
    EXPECT_EQ(config_of(*equal, "unet").integer("num_attention_heads").value(), 4);
    EXPECT_EQ(tensor(component(*equal, "unet")->tensors, "down_blocks.0.attentions.0.to_k.weight")
                  ->pieces.size(),
              4U);

    options.heads = {2, 4, 8};
    const auto wide = from_compvis(twin("uncond_resnets"), options);
    ASSERT_TRUE(wide) << wide.error().message;
    EXPECT_EQ(config_of(*wide, "unet").text("_class_name").value(), "UNet2DModel");
    EXPECT_EQ(config_of(*wide, "unet").integer("attention_head_dim").value(), 16);

    options.heads = {2, 2, 4};
    EXPECT_EQ(from_compvis(twin("uncond_resnets"), options).error().code,
              ErrorCode::InvalidArgument);
}

// How far the blocks are used is not in the file; of 24 Stable Diffusion 2 leaves the last out.
TEST(TextEncoder, OfAnotherDepthIsSaidToBeUsedWhole)
{
    const auto says_it = [](const std::vector<Entry>& entries) {
        const auto file = from_compvis(entries, twin_options("open_clip"));
        EXPECT_TRUE(file) << file.error().message;
        return file && std::ranges::any_of(file->notes, [](const std::string& note) {
                   return note.starts_with("text encoder: an OpenCLIP with ");
               });
    };
    auto entries = twin("open_clip");
    EXPECT_TRUE(says_it(entries));
    const std::string blocks = "cond_stage_model.model.transformer.resblocks.",
                      first = blocks + "0.";
    std::vector<Entry> block;
    for (const Entry& entry : entries)
        if (entry.name.starts_with(first)) block.push_back(entry);
    std::erase_if(entries, [&](const Entry& entry) { return entry.name.starts_with(blocks); });
    for (int i = 0; i < 24; ++i)
        for (Entry entry : block) {
            entry.name = blocks + std::to_string(i) + "." + entry.name.substr(first.size());
            entries.push_back(entry);
        }
    EXPECT_FALSE(says_it(entries));
}

TEST(Prediction, OfStableDiffusion2HasToBeToldOrFollowFromTheStep)
{
    const auto entries = unet_of("sd2");
    for (const SingleFileOptions& options :
         std::vector<SingleFileOptions>{{}, {.global_step = 110000}}) {
        const auto unknown = from_compvis(entries, options);
        ASSERT_FALSE(unknown);
        EXPECT_EQ(unknown.error().code, ErrorCode::Incomplete);
        EXPECT_EQ(unknown.error().message, "prediction_type unknown: pass eps or v");
    }
    const auto base = from_compvis(entries, {.global_step = 875000});
    ASSERT_TRUE(base) << base.error().message;
    EXPECT_EQ(base->scheduler.text("prediction_type").value(), "epsilon");
    EXPECT_EQ(base->scheduler.text("_class_name").value(), "PNDMScheduler");
    EXPECT_EQ(config_of(*base, "unet").integer("sample_size").value(), 64);

    const auto large = from_compvis(entries, {.prediction = Prediction::VPrediction});
    ASSERT_TRUE(large) << large.error().message;
    EXPECT_EQ(large->scheduler.text("prediction_type").value(), "v_prediction");
    EXPECT_EQ(large->scheduler.text("_class_name").value(), "DDIMScheduler");
    EXPECT_EQ(large->scheduler.integer("steps_offset").value(), 1);
    EXPECT_EQ(config_of(*large, "unet").integer("sample_size").value(), 96);
}

TEST(Scheduler, IsThePublishedOne)
{
    struct Published {
        const char* family;
        SingleFileOptions options;
        const char* json;
    };
    for (const auto& [family, options, json] : std::vector<Published>{
             {"sd1",
              {},
              R"({"_class_name":"PNDMScheduler","beta_end":0.012,"beta_schedule":"scaled_linear",)"
              R"("beta_start":0.00085,"clip_sample":false,"num_train_timesteps":1000,)"
              R"("prediction_type":"epsilon","set_alpha_to_one":false,"skip_prk_steps":true,)"
              R"("steps_offset":1})"},
             {"text2im",
              {},
              R"({"_class_name":"DDIMScheduler","beta_end":0.012,"beta_schedule":"scaled_linear",)"
              R"("beta_start":0.00085,"clip_sample":false,"num_train_timesteps":1000,)"
              R"("prediction_type":"epsilon","set_alpha_to_one":false,"steps_offset":0})"},
             {"celebahq",
              {},
              R"({"_class_name":"DDIMScheduler","beta_end":0.0195,"beta_schedule":"scaled_linear",)"
              R"("beta_start":0.0015,"clip_sample":false,"num_train_timesteps":1000,)"
              R"("prediction_type":"epsilon","set_alpha_to_one":false,"steps_offset":0})"},
             {"dp-ldm-emnist",
              {.heads = {4}},
              R"({"_class_name":"DDIMScheduler","beta_end":0.0155,"beta_schedule":"scaled_linear",)"
              R"("beta_start":0.0015,"clip_sample":false,"num_train_timesteps":1000,)"
              R"("prediction_type":"epsilon","set_alpha_to_one":false,"steps_offset":0})"}}) {
        const auto file = from_compvis(unet_of(family), options);
        ASSERT_TRUE(file) << family << ": " << file.error().message;
        EXPECT_EQ(file->scheduler.dump(), json) << family;
    }
}

TEST(Scheduler, OfUnknownShapesHasToBeTold)
{
    const auto file = from_compvis(twin("cond_conv"), {.heads = {2}});
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::Incomplete);
    EXPECT_EQ(file.error().message,
              "the noise schedule of this UNet is not known: its shapes are nobody's");
    for (const Betas wrong : {Betas{0.0, 0.1}, Betas{0.2, 0.1}, Betas{0.1, 1.0}, Betas{-1.0, 0.1}})
        EXPECT_FALSE(from_compvis(twin("cond_conv"), {.heads = {2}, .betas = wrong}));
}

TEST(Notes, SayWhichUNetItIs)
{
    EXPECT_TRUE(says(*from_compvis(unet_of("sd1")),
                     "UNet: sd1 (condition of width 768, convolutional projections)"));
    EXPECT_TRUE(says(*from_compvis(unet_of("sd2"), {.global_step = 875000}),
                     "UNet: sd2 (condition of width 1024, linear projections)"));
    EXPECT_TRUE(says(*from_compvis(unet_of("celebahq")), "UNet: celebahq (without a condition)"));
    EXPECT_TRUE(says(*from_compvis(twin("uncond"), twin_options("uncond")),
                     "UNet: custom (without a condition)"));
}

TEST(Notes, SayWhatIsAbsent)
{
    const auto unet = from_compvis(unet_of("sd1"));
    ASSERT_TRUE(unet);
    EXPECT_TRUE(says(*unet, "no first_stage_model.* tensors: pruned file; supply an autoencoder"));
    EXPECT_TRUE(says(*unet, "no cond_stage_model.* tensors: supply a conditioner of width 768"));
    EXPECT_TRUE(says(*from_compvis(twin("kl")), "no UNet in the file"));
    EXPECT_TRUE(says(*from_compvis(twin("taesd_decoder")),
                     "decoder of a tiny autoencoder; its encoder is another file"));
}

TEST(Autoencoder, AloneIsToldByItsShapes)
{
    AutoencoderPlan stable{.widths = {128, 256, 512, 512}, .latents = 4};
    EXPECT_EQ(settle_autoencoder(stable, nullptr, 0), "sd-vae");
    EXPECT_EQ(stable.scaling_factor, 0.18215);
    EXPECT_EQ(stable.sample_size, 512);
    AutoencoderPlan other{.widths = {32, 64}, .latents = 2};
    EXPECT_EQ(settle_autoencoder(other, nullptr, 0), "autoencoder");
    EXPECT_EQ(other.scaling_factor, 1.0);
    EXPECT_EQ(other.sample_size, 0);
}

// CompVis's code has no place for these numbers, and would compute something else.
TEST(ToCompvis, RefusesWhatItsCodeCannotCompute)
{
    struct Change {
        const char* twin;
        const char* key;
        io::Json value;
    };
    for (const auto& [name, key, value] : std::vector<Change>{
             {"cond_conv", "norm_num_groups", 8},
             {"cond_conv", "norm_eps", 1e-6},
             {"cond_conv", "flip_sin_to_cos", false},
             {"cond_conv", "freq_shift", 1},
             {"cond_conv", "downsample_padding", 0},
             {"cond_conv", "_class_name", "UNet3DConditionModel"},
             {"cond_conv", "down_block_types", io::Json::Array{"DownBlock2D", "KDownBlock2D"}},
             {"cond_conv", "up_block_types", io::Json::Array{"CrossAttnUpBlock2D", "UpBlock2D"}},
             {"uncond", "attn_norm_num_groups", 16},
             {"uncond", "upsample_type", "resnet"},
             {"kl", "norm_num_groups", 16},
             {"kl", "mid_block_add_attention", false},
             {"kl", "use_quant_conv", false}}) {
        const auto file = from_compvis(twin(name), twin_options(name));
        ASSERT_TRUE(file) << name << ": " << file.error().message;
        auto components = stored(*file);
        ASSERT_TRUE(to_compvis(components)) << name;
        components[0].config[key] = value;
        const auto back = to_compvis(components);
        ASSERT_FALSE(back) << name << " with " << key;
        EXPECT_EQ(back.error().code, ErrorCode::Unsupported) << back.error().message;
    }
}

TEST(ToCompvis, RefusesTwoModelsOfAKindAndBothHalvesOfATinyOne)
{
    const auto kl = stored(*from_compvis(twin("kl")));
    const auto twice = to_compvis(std::vector<StoredComponent>{kl[0], kl[0]});
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, ErrorCode::InvalidArgument);

    auto tiny = stored(*from_compvis(twin("taesd_encoder")));
    const auto decoder = stored(*from_compvis(twin("taesd_decoder")));
    tiny[0].tensors.insert(tiny[0].tensors.end(), decoder[0].tensors.begin(),
                           decoder[0].tensors.end());
    const auto both = to_compvis(tiny);
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().code, ErrorCode::Unsupported);
}

TEST(ToCompvis, MissingTensorsAreNamedByDiffusersNames)
{
    auto components = stored(*from_compvis(twin("kl")));
    std::erase_if(components[0].tensors,
                  [](const Entry& entry) { return entry.name == "quant_conv.bias"; });
    const auto back = to_compvis(components);
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().message,
              "the autoencoder is of an unknown architecture: 153 of 153 tensors recognised, 1 "
              "missing (quant_conv.bias)");
}

// UNet2DModel can resample by residual blocks only where it has attention.
TEST(Unet, ResidualBlocksBetweenLevelsWithoutAttentionAreRefused)
{
    UnetPlan plan{.attention = UnetPlan::Attention::ToSelf,
                  .widths = {32, 64},
                  .has_attention = {false, true},
                  .layers = 1,
                  .resamples_by_resnet = true,
                  .heads = {1, 2}};
    EXPECT_EQ(to_config(plan).error().code, ErrorCode::Unsupported);
    plan.has_attention = {true, true};
    EXPECT_TRUE(to_config(plan));
}

TEST(Unet, ConfigComesBack)
{
    const io::Json goldens = golden("families.json");
    for (const auto& [name, one] : *goldens.if_object()) {
        const io::Json* unet = one.find("diffusers")->find("unet");
        if (unet == nullptr) continue;
        const auto plan = unet_from_config(*unet->find("config"));
        ASSERT_TRUE(plan) << name << ": " << plan.error().message;
        const auto config = to_config(*plan);
        ASSERT_TRUE(config) << name << ": " << config.error().message;
        EXPECT_EQ(unet_from_config(*config).value(), *plan) << name;
    }
}

} // namespace
} // namespace velamen::keymap
