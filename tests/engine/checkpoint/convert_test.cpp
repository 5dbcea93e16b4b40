// SPDX-License-Identifier: GPL-3.0-or-later
//
// Folders to single files and back: the same numbers under other names.

#include "engine/checkpoint/convert.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/tensors.h"
#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "engine/nn/autoencoder/autoencoder.h"
#include "tests/engine/checkpoint/tiny_text_checkpoint.h"
#include "tests/support/temp_dir.h"
#include "tests/support/value.h"

namespace velamen::checkpoint {
namespace {

namespace fs = std::filesystem;

using test::value;

/// All tensors of UNet and conditioner, and the autoencoder's answer to one latent.
std::map<std::string, at::Tensor> numbers_of(const fs::path& folder)
{
    const at::NoGradGuard no_grad;
    auto loaded = value(Checkpoint::load(folder));
    std::map<std::string, at::Tensor> out;
    for (const auto& [name, tensor] : named_tensors(*loaded))
        out.emplace(name, tensor.clone());
    at::manual_seed(1);
    out.emplace("decoded", loaded->autoencoder().decode(at::randn({1, 2, 4, 4})));
    return out;
}

void expect_same(const std::map<std::string, at::Tensor>& a,
                 const std::map<std::string, at::Tensor>& b)
{
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [name, tensor] : a)
        EXPECT_TRUE(b.contains(name) && torch::equal(tensor, b.at(name))) << name;
}

class Convert : public testing::Test {
protected:
    void SetUp() override
    {
        set_vocabularies(test::kClipMerges.parent_path());
        const auto saved = tiny_.try_save(folder_);
        ASSERT_TRUE(saved) << saved.error().message;
    }

    /// What a single file of this model leaves open.
    static OpenOptions told() { return {.heads = {2}, .prediction = "eps", .text_heads = 2}; }

    test::TempDir temp_;
    fs::path folder_ = temp_.path() / "tiny";
    fs::path file_ = temp_.path() / "single.safetensors";
    test::TinyTextCheckpoint tiny_{true};
};

TEST_F(Convert, ToASingleFileAndBackChangesNoNumber)
{
    value(convert({.from = folder_, .to = file_}));
    const auto single = value(io::SafetensorsFile::open(file_));
    EXPECT_NE(single.find("model.diffusion_model.input_blocks.0.0.weight"), nullptr);
    EXPECT_NE(single.find("first_stage_model.encoder.conv_in.weight"), nullptr);
    EXPECT_NE(single.find("betas"), nullptr);
    const fs::path again = temp_.path() / "again";
    value(convert({.from = file_, .to = again, .options = told()}));
    expect_same(numbers_of(folder_), numbers_of(again));
    const auto before = value(Checkpoint::load(folder_)), after = value(Checkpoint::load(again));
    EXPECT_EQ(before->schedule().options().beta_schedule,
              after->schedule().options().beta_schedule);
    EXPECT_LT((before->schedule().alphas_cumprod() - after->schedule().alphas_cumprod())
                  .abs()
                  .max()
                  .item<float>(),
              1e-6f);
    EXPECT_TRUE(fs::exists(again / "tokenizer/vocab.json"));
}

TEST_F(Convert, ASingleFileDoesNotTellItsHeads)
{
    value(convert({.from = folder_, .to = file_}));
    const auto loaded = Checkpoint::load(file_);
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().message.find("heads"), std::string::npos) << loaded.error().message;
    const auto found = value(inspect(file_, "attention", true, true, told()));
    EXPECT_TRUE(found.problems.empty()) << found.problems.front().message;
    EXPECT_EQ(found.trained_parameters, value(inspect(folder_, "attention")).trained_parameters);
}

TEST_F(Convert, ToAnotherElementType)
{
    const fs::path half = temp_.path() / "half";
    value(convert({.from = folder_, .to = half, .dtype = DType::F16}));
    for (const auto& component : value(inspect(half, "attention")).components)
        EXPECT_EQ(component.dtype, "F16") << component.name;
    const auto before = numbers_of(folder_), after = numbers_of(half);
    for (const auto& [name, tensor] : before)
        if (name != "decoded") {
            EXPECT_TRUE(torch::equal(tensor.to(torch::kHalf).to(torch::kFloat), after.at(name)))
                << name;
        }
}

TEST_F(Convert, TakesTheAutoencoderFromElsewhere)
{
    const fs::path other = temp_.path() / "other";
    test::TinyTextCheckpoint changed(true);
    {
        const at::NoGradGuard no_grad;
        changed.vae->parameters().front().mul_(2.0);
    }
    ASSERT_TRUE(changed.try_save(other));
    fs::remove_all(folder_ / "vae");
    EXPECT_FALSE(convert({.from = folder_, .to = temp_.path() / "none"}));
    EXPECT_FALSE(fs::exists(temp_.path() / "none"));
    const fs::path joined = temp_.path() / "joined";
    value(convert({.from = folder_, .to = joined, .options = {.autoencoder = other}}));
    expect_same(numbers_of(other), numbers_of(joined));
}

// diffusers loads the components that model_index.json lists.
TEST_F(Convert, ListsAnAutoencoderFromElsewhere)
{
    const fs::path other = temp_.path() / "other", joined = temp_.path() / "joined";
    ASSERT_TRUE(tiny_.try_save(other));
    const auto list_of = [](const fs::path& folder) {
        return value(io::Json::parse(value(core::read_file(folder / "model_index.json"))));
    };
    fs::remove_all(folder_ / "vae");
    for (const bool is_listed : {true, false}) { // as null, as diffusers lists what is not there
        const io::Json before = list_of(other);
        io::Json without = io::Json::object();
        for (const auto& [name, entry] : *before.if_object())
            if (name != "vae") without[name] = entry;
        if (is_listed) without["vae"] = io::Json::Array{nullptr, nullptr};
        ASSERT_TRUE(core::write_file(folder_ / "model_index.json", without.dump()));
        value(convert({.from = folder_, .to = joined, .options = {.autoencoder = other}}));
        const io::Json after = list_of(joined);
        EXPECT_EQ(after.if_object()->size(), before.if_object()->size());
        ASSERT_NE(after.find("vae"), nullptr);
        EXPECT_EQ(*after.find("vae"), *before.find("vae"));
    }
}

// What to ask for, as a code: the studio shows its questions for it.
TEST_F(Convert, AnAbsentAutoencoderCanBeTold)
{
    const fs::path other = temp_.path() / "other";
    ASSERT_TRUE(tiny_.try_save(other));
    fs::remove_all(folder_ / "vae");
    const auto without = value(inspect(folder_, "attention"));
    ASSERT_EQ(without.problems.size(), 1U);
    EXPECT_EQ(without.problems.front().code, ErrorCode::Incomplete);
    const auto with = value(inspect(folder_, "attention", true, true, {.autoencoder = other}));
    EXPECT_TRUE(with.problems.empty()) << with.problems.front().message;
}

TEST_F(Convert, ACancelledOneLeavesNothing)
{
    std::stop_source stop;
    stop.request_stop();
    value(convert({.from = folder_, .to = file_}));
    const fs::path out = temp_.path() / "out", out_file = temp_.path() / "out.safetensors";
    for (const ConvertRequest& request :
         {ConvertRequest{.from = folder_, .to = out},
          ConvertRequest{.from = folder_, .to = out, .dtype = DType::F16},
          ConvertRequest{.from = folder_, .to = out_file},
          ConvertRequest{.from = file_, .to = out, .options = told()}}) {
        const auto written = convert(request, stop.get_token());
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error().code, ErrorCode::Cancelled);
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path()), fs::directory_iterator()), 2);
}

TEST_F(Convert, RefusesWhatCannotBe)
{
    EXPECT_EQ(convert({.from = folder_, .to = folder_}).error().code, ErrorCode::Refused);
    const fs::path photos = temp_.path() / "photos";
    ASSERT_TRUE(core::make_directory(photos));
    ASSERT_TRUE(core::write_file(photos / "cat.png", "x"));
    EXPECT_EQ(convert({.from = folder_, .to = photos}).error().code, ErrorCode::Refused);
    test::TinyCheckpoint scaled; // by a mean and a std a channel
    ASSERT_TRUE(scaled.try_save(temp_.path() / "scaled"));
    EXPECT_EQ(convert({.from = temp_.path() / "scaled", .to = file_}).error().code,
              ErrorCode::Unsupported);
    EXPECT_FALSE(fs::exists(file_));
    test::TinyTextCheckpoint cosine(true);
    cosine.base.schedule = value(
        diffusion::Schedule::create({.beta_schedule = diffusion::BetaSchedule::SquaredCosCapV2}));
    ASSERT_TRUE(cosine.try_save(temp_.path() / "cosine"));
    EXPECT_EQ(convert({.from = temp_.path() / "cosine", .to = file_}).error().code,
              ErrorCode::Unsupported);
    EXPECT_FALSE(fs::exists(file_));
}

// A tuned copy of a single file is a folder.
TEST_F(Convert, ATunedSingleFileBecomesAFolder)
{
    value(convert({.from = folder_, .to = file_}));
    auto loaded = value(Checkpoint::load(file_, told()));
    ASSERT_TRUE(loaded->set_classes({"cat"}, 1));
    const std::string trained = "unet/mid_block.attentions.0.proj_in.weight";
    for (auto& [name, tensor] : named_tensors(*loaded))
        if (name == trained) tensor.add_(1.0);
    const fs::path out = temp_.path() / "tuned";
    const auto saved = loaded->save_tuned(out, {trained}, loaded->card());
    ASSERT_TRUE(saved) << saved.error().message;
    auto before = numbers_of(folder_);
    before.at(trained).add_(1.0);
    expect_same(before, numbers_of(out));
}

} // namespace
} // namespace velamen::checkpoint
