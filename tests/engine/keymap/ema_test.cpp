// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which of two sets of weights is taken. The oracle is CompVis's ema.LitEma: the name of a
// parameter of the wrapper ("diffusion_model....") without its dots.

#include <algorithm>

#include <gtest/gtest.h>

#include "engine/keymap/ema.h"
#include "tests/engine/keymap/goldens.h"

namespace velamen::keymap {
namespace {

using namespace test;

const std::string kPrefix = "model.diffusion_model.";

std::string ema_name(const std::string& live)
{
    std::string name = live.substr(std::string("model.").size());
    std::erase(name, '.');
    return "model_ema." + name;
}

std::vector<Entry> averages_of(const std::vector<Entry>& live)
{
    std::vector<Entry> averages;
    for (const Entry& entry : live)
        averages.push_back({ema_name(entry.name), entry.dtype, entry.shape});
    return averages;
}

std::vector<Entry> with_counters(std::vector<Entry> entries)
{
    entries.push_back({"model_ema.decay", DType::F32, {}});
    entries.push_back({"model_ema.num_updates", DType::I32, {}});
    return entries;
}

std::vector<Entry> both(const std::string& name)
{
    auto entries = twin(name);
    const auto averages = averages_of(entries);
    entries.insert(entries.end(), averages.begin(), averages.end());
    return with_counters(entries);
}

std::size_t taken_from_average(const std::vector<Entry>& entries, const SingleFile& file)
{
    std::size_t count = 0;
    for (const Mapped& mapped : component(file, "unet")->tensors)
        count += entries[mapped.pieces.at(0).source].name.starts_with("model_ema.") ? 1 : 0;
    return count;
}

SingleFileOptions with(EmaChoice ema, const std::string& name = "cond_conv")
{
    auto options = twin_options(name);
    options.ema = ema;
    return options;
}

TEST(Ema, NameIsTheWeightsWithoutDots)
{
    EXPECT_EQ(average_name("input_blocks.0.0.weight"), "diffusion_modelinput_blocks00weight");
    EXPECT_EQ(average_name("output_blocks.10.1.transformer_blocks.0.attn1.to_out.0.bias"),
              "diffusion_modeloutput_blocks101transformer_blocks0attn1to_out0bias");
}

TEST(Ema, IsTakenWhereItIsThere)
{
    const auto entries = both("cond_conv");
    for (const EmaChoice choice : {EmaChoice::Prefer, EmaChoice::Require}) {
        const auto file = from_compvis(entries, with(choice));
        ASSERT_TRUE(file) << file.error().message;
        EXPECT_EQ(taken_from_average(entries, *file), component(*file, "unet")->tensors.size());
        EXPECT_EQ(file->notes.at(0), "EMA weights");
        // Every name is either in a component or said to be ignored.
        EXPECT_EQ(file->ignored.size() + component(*file, "unet")->tensors.size(), entries.size());
    }
}

TEST(Ema, EachAverageIsThatOfItsOwnWeight)
{
    const auto entries = both("cond_conv");
    const auto live = from_compvis(twin("cond_conv"), with(EmaChoice::Prefer));
    const auto file = from_compvis(entries, with(EmaChoice::Prefer));
    ASSERT_TRUE(live && file);
    for (const Mapped& mapped : component(*file, "unet")->tensors) {
        const Mapped* weight = tensor(component(*live, "unet")->tensors, mapped.name);
        ASSERT_NE(weight, nullptr);
        EXPECT_EQ(entries[mapped.pieces[0].source].name,
                  ema_name(entries[weight->pieces[0].source].name));
    }
}

TEST(Ema, IsIgnoredWhenAsked)
{
    const auto entries = both("cond_conv");
    const auto file = from_compvis(entries, with(EmaChoice::Ignore));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(taken_from_average(entries, *file), 0U);
    EXPECT_EQ(file->ignored.size() + component(*file, "unet")->tensors.size(), entries.size());
    EXPECT_NE(std::ranges::find(file->ignored, "model_ema.diffusion_modelout0weight"),
              file->ignored.end());
}

TEST(Ema, AbsenceIsSaidAndRefusedWhereItIsRequired)
{
    const auto file = from_compvis(twin("cond_conv"), with(EmaChoice::Prefer));
    ASSERT_TRUE(file);
    EXPECT_EQ(file->notes.at(0), "no EMA weights in file");
    const auto required = from_compvis(twin("cond_conv"), with(EmaChoice::Require));
    ASSERT_FALSE(required);
    EXPECT_EQ(required.error().code, ErrorCode::NotFound);
    EXPECT_EQ(required.error().message, "there are no EMA weights in the file");
}

// Pruned files have nothing else; every twin's names are found again, without a collision.
TEST(Ema, AloneIsReadForEveryUNet)
{
    for (const std::string name :
         {"cond_conv", "cond_linear", "cond_classes", "cond_resnets", "uncond", "uncond_resnets"}) {
        const auto entries = with_counters(averages_of(twin(name)));
        const auto file = from_compvis(entries, with(EmaChoice::Prefer, name));
        ASSERT_TRUE(file) << name << ": " << file.error().message;
        const auto live = from_compvis(twin(name), twin_options(name));
        ASSERT_TRUE(live);
        EXPECT_EQ(component(*file, "unet")->tensors, component(*live, "unet")->tensors) << name;
    }
    const auto refused = from_compvis(averages_of(twin("cond_conv")), with(EmaChoice::Ignore));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "the file has only model_ema.* tensors of its UNet, which were to be ignored");
}

// LitEma keeps only what is trained: a frozen weight is its own average.
TEST(Ema, FrozenWeightsAreTakenAsTheyAre)
{
    auto entries = both("cond_conv");
    std::erase_if(entries, [](const Entry& entry) {
        return entry.name.starts_with("model_ema.")
            && entry.name.find("attn2") == std::string::npos;
    });
    const auto file = from_compvis(entries, with(EmaChoice::Prefer));
    ASSERT_TRUE(file) << file.error().message;
    const auto averages = static_cast<std::size_t>(std::ranges::count_if(
        entries, [](const Entry& entry) { return entry.name.starts_with("model_ema."); }));
    EXPECT_GT(averages, 0U);
    EXPECT_EQ(taken_from_average(entries, *file), averages);
    EXPECT_EQ(file->notes.at(0),
              "EMA weights of " + std::to_string(averages)
                  + " of the UNet's 288 tensors; the others "
                    "were frozen");
}

TEST(Ema, OfSomethingElseIsRefused)
{
    auto entries = both("cond_conv");
    entries.push_back({"model_ema.diffusion_modelnobody", DType::F32, {1}});
    const auto unknown = from_compvis(entries, with(EmaChoice::Prefer));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().message,
              "the file has averages of no weight of its UNet: 1 not recognised "
              "(model_ema.diffusion_modelnobody)");

    entries = both("cond_conv");
    for (Entry& entry : entries)
        if (entry.name == ema_name(kPrefix + "out.0.weight")) entry.shape = {31};
    const auto misshaped = from_compvis(entries, with(EmaChoice::Prefer));
    ASSERT_FALSE(misshaped);
    EXPECT_EQ(misshaped.error().code, ErrorCode::Corrupt);
}

} // namespace
} // namespace velamen::keymap
