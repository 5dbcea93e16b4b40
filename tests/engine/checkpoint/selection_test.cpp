// SPDX-License-Identifier: GPL-3.0-or-later
//
// What selections take: the grammar, the published counts, and low-rank factors in a checkpoint.

#include "engine/checkpoint/selection.h"

#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/lora.h"
#include "engine/checkpoint/tensors.h"
#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "engine/tensor/convert.h"
#include "tests/engine/checkpoint/tiny_checkpoint.h"
#include "tests/support/temp_dir.h"
#include "tests/support/value.h"

namespace velamen::checkpoint {
namespace {

namespace fs = std::filesystem;

using test::value;

TEST(Selection, ReadsEveryKind)
{
    using Kind = Selection::Kind;
    EXPECT_EQ(value(Selection::parse("attention")).kind, Kind::Attention);
    EXPECT_EQ(value(Selection::parse("attention:from=9")).from, 9);
    EXPECT_EQ(value(Selection::parse("qkvo")).kind, Kind::Qkvo);
    EXPECT_EQ(value(Selection::parse("cross")).kind, Kind::Cross);
    EXPECT_EQ(value(Selection::parse("full")).kind, Kind::Full);
    const Selection plain = value(Selection::parse("lora:8"));
    EXPECT_TRUE(plain.is_lora());
    EXPECT_EQ(plain.rank, 8);
    EXPECT_DOUBLE_EQ(plain.scale(), 1.0);
    EXPECT_DOUBLE_EQ(value(Selection::parse("lora:8:2")).scale(), 0.25);
    EXPECT_DOUBLE_EQ(value(Selection::parse("lora:4:0.5")).scale(), 0.125);
}

TEST(Selection, RefusesWhatThereIsNotAndNamesTheNearest)
{
    const std::map<std::string, std::string> nearest{{"atention", "attention"},
                                                     {"", "attention"},
                                                     {"qkv", "qkvo"},
                                                     {"crss", "cross"},
                                                     {"lora", "lora:4"},
                                                     {"lora:", "lora:4"},
                                                     {"lora:x", "lora:4"},
                                                     {"lora:0", "lora:1"},
                                                     {"lora:-3", "lora:1"},
                                                     {"lora:2:0", "lora:2"},
                                                     {"lora:2:", "lora:2"},
                                                     {"lora:2:inf", "lora:2"},
                                                     {"lora:2:-1", "lora:2"},
                                                     {"attention:from=", "attention:from=1"},
                                                     {"attention:from=0", "attention:from=1"},
                                                     {"attention:from=2x", "attention:from=1"}};
    for (const auto& [typed, expected] : nearest) {
        const auto parsed = Selection::parse(typed);
        ASSERT_FALSE(parsed) << typed;
        EXPECT_EQ(parsed.error().code, ErrorCode::InvalidArgument);
        EXPECT_NE(parsed.error().message.find("'" + typed + "'"), std::string::npos);
        EXPECT_TRUE(parsed.error().hint.starts_with("the nearest is '" + expected + "'"))
            << typed << " -> " << parsed.error().hint;
    }
}

struct Family {
    const char* name;
    nn::UNet2DConditionConfig config;
    std::int64_t classes; ///< rows of the class table
    std::int64_t total, tensors, attention;
};

using Types = std::vector<std::string>;

nn::UNet2DConditionConfig sd1() { return {.sample_size = 64, .cross_attention_dim = 768}; }

nn::UNet2DConditionConfig sd2()
{
    return {.sample_size = 64,
            .cross_attention_dim = 1024,
            .attention_head_dim = {5, 10, 20, 20},
            .use_linear_projection = true};
}

nn::UNet2DConditionConfig cifar()
{
    return {.sample_size = 16,
            .in_channels = 3,
            .out_channels = 3,
            .block_out_channels = {128, 256, 256, 512},
            .cross_attention_dim = 512};
}

nn::UNet2DConditionConfig mnist()
{
    return {.sample_size = 4,
            .in_channels = 3,
            .out_channels = 3,
            .down_block_types = Types(2, "CrossAttnDownBlock2D"),
            .up_block_types = Types(2, "CrossAttnUpBlock2D"),
            .block_out_channels = {64, 128},
            .layers_per_block = 1,
            .cross_attention_dim = 5,
            .attention_head_dim = {4}};
}

nn::UNet2DConditionConfig cin256()
{
    return {.sample_size = 64,
            .in_channels = 3,
            .out_channels = 3,
            .down_block_types = Types{"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                      "CrossAttnDownBlock2D"},
            .up_block_types = Types{"CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                                    "CrossAttnUpBlock2D", "UpBlock2D"},
            .block_out_channels = {192, 384, 576, 960},
            .cross_attention_dim = 512,
            .attention_head_dim = {1}};
}

/// Header of a checkpoint: the UNet, then a class table.
std::vector<nn::NamedShape> header(const nn::UNet2DConditionConfig& config, std::int64_t classes)
{
    auto shapes = nn::parameter_shapes(config.plan());
    for (auto& [name, shape] : shapes)
        name = "unet/" + name;
    shapes.push_back({"class_embedder/embedding.weight", {classes, config.cross_attention_dim}});
    return shapes;
}

std::int64_t sum(const std::vector<nn::NamedShape>& shapes)
{
    std::int64_t count = 0;
    for (const auto& [name, shape] : shapes)
        count += nn::element_count(shape);
    return count;
}

/// Parameters of a selection of the UNet, dead ones included.
std::int64_t count(const nn::UNet2DConditionConfig& config, const std::string& selection,
                   bool train_conditioner = false)
{
    return sum(value(trained_shapes(header(config, 1001), selection, false, train_conditioner)));
}

// Published numbers: Rombach et al.'s and Stability's files as diffusers loads them, DP-LDM's
// printed counts.
TEST(SelectionCounts, AreThoseOfThePublishedModels)
{
    nn::UNet2DConditionConfig inpaint = sd1(), text2im = sd1();
    inpaint.in_channels = 9;
    text2im.cross_attention_dim = 1280;
    const std::vector<Family> families{
        {"SD 1", sd1(), 1, 859'520'964, 686, 267'239'360},
        {"SD 1 inpainting", inpaint, 1, 859'520'964 + 14'400, 686, 267'239'360},
        {"SD 2", sd2(), 1, 865'910'724, 686, 273'629'120},
        {"text2im-large-256", text2im, 1, 872'300'484, 686, 280'018'880},
        {"cin256-v2", cin256(), 1001, 400'920'579, 688, 169'550'400},
        {"CIFAR-10", cifar(), 1001, 90'290'563, 686, 23'867'520},
        {"MNIST", mnist(), 26, 4'108'675, 286, 1'578'304}};
    for (const Family& f : families) {
        const auto all = header(f.config, f.classes);
        const std::int64_t table = f.classes * f.config.cross_attention_dim;
        EXPECT_EQ(static_cast<std::int64_t>(all.size()) - 1, f.tensors) << f.name;
        EXPECT_EQ(sum(all) - table, f.total) << f.name;
        EXPECT_EQ(sum(value(trained_shapes(all, "full", false, true))), f.total + table) << f.name;
        EXPECT_EQ(sum(value(trained_shapes(all, "full", false, false))), f.total) << f.name;
        EXPECT_EQ(sum(value(trained_shapes(all, "attention", false, false))), f.attention)
            << f.name;
        EXPECT_EQ(sum(value(trained_shapes(all, "attention", false, true))), f.attention + table)
            << f.name;
    }
}

TEST(SelectionCounts, BlocksNineToSixteenOfCifarAreThoseOfThePaper)
{
    EXPECT_EQ(count(cifar(), "attention:from=9"), 9'275'520);
    EXPECT_EQ(count(cifar(), "attention:from=9", true), 9'275'520 + 512'512);
    EXPECT_EQ(count(cifar(), "attention:from=1"), 23'867'520);
    const auto beyond = trained_shapes(header(cifar(), 10), "attention:from=17", true);
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().code, ErrorCode::InvalidArgument);
    EXPECT_EQ(beyond.error().hint, "the nearest is 'attention:from=16'");
}

// attn1 and attn2 of SD 1 as published; attn2 without norm2 is what 'cross' takes.
TEST(SelectionCounts, OfProjectionsAndCrossAttentionAddUpToTheAttentionLayers)
{
    EXPECT_EQ(count(sd1(), "cross"), 43'962'560);
    EXPECT_EQ(count(sd1(), "qkvo"), 49'574'080 + 43'962'560);
}

// 797,184 is what diffusers' text-to-image LoRA script trains on SD 1 at rank 4.
TEST(SelectionCounts, OfLowRankFactorsAreRankTimesWidths)
{
    EXPECT_EQ(count(sd1(), "lora:4"), 797'184);
    EXPECT_EQ(count(sd1(), "lora:8:1"), 2 * 797'184);
    std::int64_t widths = 0; // in + out of each projection
    for (const std::int64_t c : {64, 128, 128, 128, 128, 64, 64})
        widths += 4 * (c + c) + 2 * (c + c) + 2 * (c + 5);
    EXPECT_EQ(count(mnist(), "lora:3"), 3 * widths);
    EXPECT_EQ(count(mnist(), "lora:3", true), 3 * widths + 1001 * 5);
}

TEST(SelectionCounts, ARankAboveTheNarrowestLayerIsRefusedWithTheLargestThatFits)
{
    EXPECT_TRUE(trained_shapes(header(mnist(), 10), "lora:5", true));
    const auto wide = trained_shapes(header(mnist(), 10), "lora:6:3", true);
    ASSERT_FALSE(wide);
    EXPECT_EQ(wide.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(wide.error().message.find("'lora:6:3'"), std::string::npos);
    EXPECT_NE(wide.error().message.find("attn2.to_v.weight"), std::string::npos);
    EXPECT_EQ(wide.error().hint, "the nearest is 'lora:5'");
}

TEST(SelectionCounts, DeadTensorsAreLeftOutOfEverySelection)
{
    for (const std::string selection : {"attention", "qkvo", "cross", "lora:2", "full"}) {
        const auto all = value(trained_shapes(header(mnist(), 10), selection, false));
        const auto alive = value(trained_shapes(header(mnist(), 10), selection, true));
        std::vector<std::string> expected, names;
        for (const auto& one : all)
            if (!is_dead_under_one_token(one.name)) expected.push_back(one.name);
        for (const auto& one : alive)
            names.push_back(one.name);
        EXPECT_EQ(names, expected) << selection;
        EXPECT_LT(alive.size(), all.size()) << selection;
    }
}

TEST(SelectTensors, RefusesASelectionThatMatchesNothing)
{
    const std::vector<std::string> names{"unet/conv_in.weight",
                                         "unet/mid_block.attentions.0.norm.weight",
                                         "class_embedder/embedding.weight"};
    const auto none = select_tensors(names, "qkvo", true);
    ASSERT_FALSE(none); // the class table alone is no selection
    EXPECT_EQ(none.error().code, ErrorCode::Refused);
    EXPECT_NE(none.error().message.find("'qkvo'"), std::string::npos);
    EXPECT_EQ(value(select_tensors(names, "attention", true, false)),
              std::vector<std::string>{names[1]});
}

class TinySelection : public testing::Test {
protected:
    void SetUp() override { tiny_.save(folder_, DType::F16); }
    test::TempDir temp_;
    fs::path folder_ = temp_.path() / "tiny";
    test::TinyCheckpoint tiny_;
};

TEST_F(TinySelection, InspectCountsLowRankFactorsAndTheConditioner)
{
    std::int64_t alive = 0, dead = 0;
    for (const std::int64_t c : {8, 16, 16, 16, 16, 8, 8}) {
        alive += 2 * (5 * (c + c) + (c + 5)); // attn1 and attn2.to_out.0, attn2.to_v
        dead += 2 * ((c + c) + (c + 5));      // attn2.to_q, attn2.to_k
    }
    const Inspection with = value(inspect(folder_, "lora:2"));
    EXPECT_EQ(with.trained_parameters, alive + 20); // 20: the class table
    EXPECT_EQ(with.trained_tensors, 7 * 6 * 2 + 1);
    EXPECT_EQ(with.dead_parameters, dead);
    EXPECT_TRUE(with.problems.empty());
    const Inspection without = value(inspect(folder_, "lora:2", true, false));
    EXPECT_EQ(without.trained_parameters, alive);
    EXPECT_EQ(without.total_parameters, with.total_parameters);
    EXPECT_EQ(value(inspect(folder_, "lora:2", false, false)).trained_parameters, alive + dead);
    for (const SelectedBlock& block : with.blocks)
        EXPECT_EQ(block.is_trained,
                  block.name.find("attentions") != std::string::npos
                      || block.name == "class_embedder")
            << block.name;
    EXPECT_EQ(without.blocks.front().name, "class_embedder");
    EXPECT_FALSE(without.blocks.front().is_trained);
    EXPECT_EQ(inspect(folder_, "lora:6").error().hint, "the nearest is 'lora:5'");
}

TEST_F(TinySelection, CountingAloneGivesTheCountsOfInspect)
{
    for (const std::string selection : {"attention", "lora:2", "full"})
        for (const bool skip_dead : {true, false})
            for (const bool train_conditioner : {true, false}) {
                const SelectionCounts counts =
                    value(count_selection(folder_, selection, skip_dead, train_conditioner));
                const Inspection whole =
                    value(inspect(folder_, selection, skip_dead, train_conditioner));
                EXPECT_EQ(counts.trained_parameters, whole.trained_parameters);
                EXPECT_EQ(counts.trained_tensors, whole.trained_tensors);
                EXPECT_EQ(counts.dead_parameters, whole.dead_parameters);
                EXPECT_EQ(counts.total_parameters, whole.total_parameters);
            }
    EXPECT_EQ(count_selection(folder_, "lora:6").error().hint, "the nearest is 'lora:5'");
    EXPECT_EQ(count_selection(temp_.path() / "none", "full").error().code, ErrorCode::NotFound);
}

TEST_F(TinySelection, InspectNamesTensorsThatDoNotFitTheConfig)
{
    const fs::path path = folder_ / "unet/config.json";
    nn::UNet2DConditionConfig config = tiny_.unet_config;
    config.cross_attention_dim = 7;
    config.use_linear_projection = true;
    ASSERT_TRUE(core::write_file(path, config.to_json().dump(2)));
    const Inspection found = value(inspect(folder_, "attention"));
    // proj_in, proj_out, attn2.to_k and attn2.to_v of seven blocks
    EXPECT_TRUE(std::ranges::any_of(found.problems, [](const Error& problem) {
        return problem.message.find(
                   "28 misshapen (down_blocks.0.attentions.0.proj_in.weight [8,8,1,1] "
                   "instead of [8,8], ")
            != std::string::npos;
    }));
}

TEST_F(TinySelection, FactorsAreNamedAfterTheirWeightsAndFollowTheSeed)
{
    const auto selection = value(Selection::parse("lora:2:1"));
    const std::vector<std::string> names{
        "unet/mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight",
        "unet/mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0.weight",
        "class_embedder/embedding.weight"};
    std::vector<NamedTensorList> drawn;
    for (const std::uint64_t seed : {5, 5, 6}) {
        auto loaded = value(Checkpoint::load(folder_));
        drawn.push_back(value(attach_lora(*loaded, names, selection, seed)));
    }
    ASSERT_EQ(drawn[0].size(), 4u);
    EXPECT_EQ(drawn[0][0].first,
              "unet/mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight");
    EXPECT_EQ(drawn[0][3].first,
              "unet/mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0.lora_B.weight");
    EXPECT_TRUE(torch::equal(drawn[0][0].second, drawn[1][0].second));
    EXPECT_FALSE(torch::equal(drawn[0][0].second, drawn[2][0].second));
    EXPECT_FALSE(torch::equal(drawn[0][0].second, drawn[0][2].second));

    auto loaded = value(Checkpoint::load(folder_));
    const auto conv = attach_lora(*loaded, {"unet/conv_in.weight"}, selection, 5);
    ASSERT_FALSE(conv);
    EXPECT_NE(conv.error().message.find("conv_in.weight"), std::string::npos);
}

// The file holds W + s B A in its own type, and nothing else has changed.
TEST_F(TinySelection, ATunedCopyHoldsTheFoldedWeights)
{
    const auto selection = value(Selection::parse("lora:2:6"));
    auto loaded = value(Checkpoint::load(folder_));
    std::vector<std::string> all;
    std::map<std::string, at::Tensor> base;
    for (const auto& [name, tensor] : named_tensors(*loaded)) {
        all.push_back(name);
        base[name] = tensor.clone();
    }
    const auto names = value(select_tensors(all, "lora:2:6", true, false));
    EXPECT_EQ(names.size(), 7u * 6);
    MergedWeights weights(*loaded, names, selection.scale());
    auto other = value(Checkpoint::load(folder_));
    auto factors = value(attach_lora(*other, names, selection, 5));
    for (auto& [name, tensor] : factors)
        tensor.normal_(0.0, 0.3);
    weights.set(factors);
    weights.set(factors); // folding twice is folding once
    const fs::path out = temp_.path() / "tuned";
    ASSERT_TRUE(loaded->save_tuned(out, names, loaded->card()));

    const char* file = "unet/diffusion_pytorch_model.safetensors";
    const auto before = value(io::SafetensorsFile::open(folder_ / file));
    const auto after = value(io::SafetensorsFile::open(out / file));
    const std::map<std::string, at::Tensor> given(factors.begin(), factors.end());
    const std::set<std::string> changed(names.begin(), names.end());
    ASSERT_EQ(before.tensors().size(), after.tensors().size());
    for (const io::TensorView& view : before.tensors()) {
        const std::string name = "unet/" + view.name;
        const io::TensorView& tuned = *after.find(view.name);
        EXPECT_EQ(tuned.dtype, DType::F16);
        if (!changed.contains(name)) {
            EXPECT_TRUE(std::ranges::equal(view.bytes, tuned.bytes)) << name;
            continue;
        }
        const auto folded = base.at(name)
            + 3.0 * given.at(lora_name(name, 'B')).matmul(given.at(lora_name(name, 'A')));
        const auto stored = tensor::to_tensor(tuned.dtype, tuned.shape, tuned.bytes);
        EXPECT_TRUE(torch::allclose(stored.to(torch::kFloat), folded, 1e-3, 1e-3)) << name;
        EXPECT_FALSE(std::ranges::equal(view.bytes, tuned.bytes)) << name;
    }
    // The unmerged layers compute what the folded ones do.
    const torch::NoGradGuard no_grad;
    const auto x = torch::randn({2, 2, 4, 4}), t = torch::tensor({7.0f, 300.0f});
    const auto context = torch::randn({2, 1, 5});
    EXPECT_TRUE(torch::allclose(other->unet().forward(x, t, context),
                                loaded->unet().forward(x, t, context), 1e-4, 1e-5));
}

} // namespace
} // namespace velamen::checkpoint
