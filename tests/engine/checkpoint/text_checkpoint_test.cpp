// SPDX-License-Identifier: GPL-3.0-or-later
//
// Checkpoints that take sentences: classes as captions, what trains, what is saved.

#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/convert.h"
#include "engine/checkpoint/prompts.h"
#include "engine/checkpoint/tensors.h"
#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "engine/nn/autoencoder/autoencoder.h"
#include "engine/nn/conditioner/text_conditioner.h"
#include "engine/nn/unet/model.h"
#include "engine/tensor/convert.h"
#include "tests/engine/checkpoint/tiny_text_checkpoint.h"
#include "tests/support/temp_dir.h"
#include "tests/support/value.h"

namespace velamen::checkpoint {
namespace {

namespace fs = std::filesystem;

using test::value;

/// Of the whole pages inside [data, data + size), those that this process has mapped.
std::size_t resident_pages(const void* data, std::size_t size)
{
    constexpr std::uintptr_t kPage = 4096;
    const auto begin = (reinterpret_cast<std::uintptr_t>(data) + kPage - 1) / kPage;
    const auto end = (reinterpret_cast<std::uintptr_t>(data) + size) / kPage;
    std::ifstream pagemap;
    pagemap.rdbuf()->pubsetbuf(nullptr, 0); // whole entries only
    pagemap.open("/proc/self/pagemap", std::ios::binary);
    pagemap.seekg(static_cast<std::streamoff>(begin * sizeof(std::uint64_t)));
    EXPECT_TRUE(pagemap);
    std::size_t count = 0;
    for (auto page = begin; page < end; ++page) {
        std::uint64_t entry = 0;
        pagemap.read(reinterpret_cast<char*>(&entry), sizeof entry);
        count += entry >> 63; // present
    }
    return count;
}

class TextCheckpoint : public testing::Test {
protected:
    void SetUp() override
    {
        const auto saved = tiny_.try_save(folder_);
        ASSERT_TRUE(saved) << saved.error().message;
    }

    test::TempDir temp_;
    fs::path folder_ = temp_.path() / "tiny";
    test::TinyTextCheckpoint tiny_;
};

TEST_F(TextCheckpoint, ConditionsOnTheCaptionsOfItsClasses)
{
    const at::NoGradGuard no_grad;
    auto loaded = value(Checkpoint::load(folder_));
    EXPECT_TRUE(loaded->is_text_conditional());
    EXPECT_FALSE(loaded->has_class_table());
    EXPECT_EQ(loaded->conditioner_name(), "text_encoder");
    EXPECT_EQ(loaded->conditioner().rows(), 1); // the empty prompt
    ASSERT_TRUE(loaded->set_classes({"cat", "dog"}, 1));
    nn::Conditioner& conditioner = loaded->conditioner();
    EXPECT_EQ(conditioner.rows(), 3);
    EXPECT_EQ(conditioner.tokens(), 77);
    const std::vector<std::string> prompts{"a photo of dog", ""};
    const auto ids = value(loaded->tokenizer()->ids(prompts, 77));
    EXPECT_TRUE(
        torch::equal(conditioner.forward(torch::tensor({1, 2})), tiny_.encoder->encode(ids)));
    EXPECT_FALSE(loaded->set_classes({}, 1));
}

TEST_F(TextCheckpoint, EncodesAnewWhenTheEncoderChanged)
{
    const at::NoGradGuard no_grad;
    auto loaded = value(Checkpoint::load(folder_));
    ASSERT_TRUE(loaded->set_classes({"cat"}, 1));
    const auto before = loaded->conditioner().forward(torch::tensor({0}));
    EXPECT_TRUE(torch::equal(loaded->conditioner().forward(torch::tensor({0})), before));
    loaded->conditioner().parameters().front().mul_(2.0);
    EXPECT_FALSE(torch::equal(loaded->conditioner().forward(torch::tensor({0})), before));
}

TEST_F(TextCheckpoint, SetsATextEncoderAsideAndLosesNothing)
{
    const at::NoGradGuard no_grad;
    auto loaded = value(Checkpoint::load(folder_));
    ASSERT_TRUE(loaded->set_classes({"cat", "dog"}, 1));
    nn::TextEncoder& encoder = dynamic_cast<nn::TextConditioner&>(loaded->conditioner()).encoder();
    const std::vector<std::string> prompts{"a photo of dog"};
    const auto ids = value(loaded->tokenizer()->ids(prompts, 77));
    const auto words = encoder.named_parameters()["embeddings.token_embedding.weight"];
    const void* const place = words.const_data_ptr();
    const std::size_t size = words.nbytes();
    const auto before = encoder.encode(ids);
    const auto sentence = loaded->conditioner().forward(torch::tensor({1}));
    EXPECT_GT(resident_pages(place, size), 10U);
    loaded->set_aside(Role::Conditioner);
    EXPECT_EQ(resident_pages(place, size), 0U);
    EXPECT_TRUE(torch::equal(loaded->conditioner().forward(torch::tensor({1})), sentence));
    EXPECT_ANY_THROW(encoder.encode(ids));
    ASSERT_TRUE(loaded->bring_back(Role::Conditioner));
    EXPECT_TRUE(torch::equal(encoder.encode(ids), before));

    for (at::Tensor& parameter : encoder.parameters())
        parameter.add_(1.0); // as an optimiser does
    const auto changed = encoder.encode(ids);
    EXPECT_FALSE(torch::equal(changed, before));
    loaded->set_aside(Role::Conditioner);
    EXPECT_TRUE(torch::equal(encoder.encode(ids), changed));
}

TEST_F(TextCheckpoint, SetsAnAutoencoderAsideAndLosesNothing)
{
    const at::NoGradGuard no_grad;
    auto loaded = value(Checkpoint::load(folder_));
    nn::Autoencoder& autoencoder = loaded->autoencoder();
    const auto image = torch::rand({1, 1, 32, 32}) * 2 - 1;
    const auto before = autoencoder.encode(image).mean;
    loaded->set_aside(Role::Autoencoder);
    for (const at::Tensor& parameter : autoencoder.parameters())
        EXPECT_EQ(parameter.nbytes(), 0U);
    EXPECT_ANY_THROW(autoencoder.encode(image));
    ASSERT_TRUE(loaded->bring_back(Role::Autoencoder));
    EXPECT_TRUE(torch::equal(autoencoder.encode(image).mean, before));
    loaded->set_aside(Role::UNet); // nothing to set aside
    for (const at::Tensor& parameter : loaded->unet().parameters())
        EXPECT_GT(parameter.nbytes(), 0U);
}

TEST_F(TextCheckpoint, BringsHalfPrecisionBack)
{
    const at::NoGradGuard no_grad;
    const fs::path half = temp_.path() / "half";
    value(convert({.from = folder_, .to = half, .dtype = DType::F16, .options = {}}));
    auto loaded = value(Checkpoint::load(half));
    const auto image = torch::rand({1, 1, 32, 32}) * 2 - 1;
    const auto before = loaded->autoencoder().encode(image).mean;
    loaded->set_aside(Role::Autoencoder);
    ASSERT_TRUE(loaded->bring_back(Role::Autoencoder));
    EXPECT_TRUE(torch::equal(loaded->autoencoder().encode(image).mean, before));
}

TEST_F(TextCheckpoint, LoadsASecondOneThatSharesWhatDoesNotChange)
{
    auto first = value(Checkpoint::load(folder_));
    for (const bool has_own_encoder : {false, true}) {
        std::vector<std::string> all;
        for (const auto& [name, tensor] : named_tensors(*first))
            all.push_back(name);
        const auto changed = value(select_tensors(all, "attention", true, has_own_encoder));
        auto second = value(first->load_second(changed));
        const auto ones = named_tensors(*first), others = named_tensors(*second);
        ASSERT_EQ(ones.size(), others.size());
        for (std::size_t i = 0; i < ones.size(); ++i) {
            const auto& [name, one] = ones[i];
            const auto& [same_name, other] = others[i];
            ASSERT_EQ(name, same_name);
            if (std::ranges::find(changed, name) != changed.end()) {
                EXPECT_NE(one.const_data_ptr(), other.const_data_ptr()) << name;
                EXPECT_TRUE(torch::equal(one, other)) << name;
            } else if (name.starts_with("unet/")) {
                EXPECT_EQ(one.const_data_ptr(), other.const_data_ptr()) << name;
            } else {
                EXPECT_EQ(other.nbytes(), 0U) << name;
            }
        }
        for (const at::Tensor& parameter : second->autoencoder().parameters())
            EXPECT_EQ(parameter.nbytes(), 0U);
    }
}

TEST_F(TextCheckpoint, PassesGradientsToATrainedEncoder)
{
    auto loaded = value(Checkpoint::load(folder_));
    ASSERT_TRUE(loaded->set_classes({"cat", "dog"}, 1));
    for (auto& [name, tensor] : named_tensors(*loaded))
        if (name.starts_with("text_encoder/")) tensor.set_requires_grad(true);
    loaded->conditioner().forward(torch::tensor({0, 1, 1})).square().sum().backward();
    for (auto& [name, tensor] : named_tensors(*loaded))
        if (name.starts_with("text_encoder/")) {
            ASSERT_TRUE(tensor.grad().defined()) << name;
            EXPECT_GT(tensor.grad().abs().sum().item<float>(), 0.0f) << name;
        }
}

// Under 77 tokens of context nothing is dead: all of cross-attention trains.
TEST_F(TextCheckpoint, HasNoDeadTensors)
{
    const auto found = value(inspect(folder_, "attention", true, false));
    EXPECT_EQ(found.dead_parameters, 0);
    EXPECT_EQ(found.family, "text-conditional latent diffusion (UNet2DConditionModel)");
    EXPECT_TRUE(found.problems.empty()) << found.problems.front().message;
    std::int64_t attention = 0;
    for (const auto& item : tiny_.unet->named_parameters())
        if (item.key().find("attentions") != std::string::npos) attention += item.value().numel();
    EXPECT_EQ(found.trained_parameters, attention);
    std::int64_t encoder = 0;
    for (const auto& parameter : tiny_.encoder->parameters())
        encoder += parameter.numel();
    EXPECT_EQ(value(inspect(folder_, "attention", true, true)).trained_parameters,
              attention + encoder);
}

TEST_F(TextCheckpoint, SavesTheCaptionAndOnlyWhatWasTrained)
{
    auto loaded = value(Checkpoint::load(folder_));
    EXPECT_FALSE(loaded->set_caption("a cat"));
    ASSERT_TRUE(loaded->set_caption("a {class}, small"));
    ASSERT_TRUE(loaded->set_classes({"cat"}, 1));
    const std::string trained = "unet/mid_block.attentions.0.proj_in.weight";
    for (auto& [name, tensor] : named_tensors(*loaded))
        if (name == trained) tensor.add_(1.0);
    const fs::path out = temp_.path() / "tuned";
    const auto saved = loaded->save_tuned(out, {trained}, loaded->card());
    ASSERT_TRUE(saved) << saved.error().message;
    const auto same = [&](const char* name) {
        return value(core::read_file(folder_ / name)) == value(core::read_file(out / name));
    };
    EXPECT_TRUE(same("text_encoder/model.safetensors"));
    EXPECT_TRUE(same("tokenizer/vocab.json"));
    EXPECT_FALSE(same("unet/diffusion_pytorch_model.safetensors"));
    const auto again = value(Checkpoint::load(out));
    EXPECT_EQ(again->card().classes, std::vector<std::string>{"cat"});
    const std::vector<std::string> prompts{"a cat, small"};
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(torch::equal(again->conditioner().forward(torch::tensor({0})),
                             tiny_.encoder->encode(value(again->tokenizer()->ids(prompts, 77)))));
}

TEST_F(TextCheckpoint, ReadsTheNamesOfOlderFiles)
{
    const fs::path file = folder_ / "text_encoder/model.safetensors";
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    {
        const auto stored = value(io::SafetensorsFile::open(file));
        for (const auto& view : stored.tensors())
            tensors.emplace_back("text_model." + view.name,
                                 tensor::to_tensor(view.dtype, view.shape, view.bytes));
    }
    tensors.emplace_back("text_model.embeddings.position_ids", torch::arange(77).unsqueeze(0));
    std::vector<io::TensorView> views;
    for (const auto& [name, stored] : tensors)
        views.push_back(
            {name, tensor::dtype_of(stored), tensor::shape_of(stored), tensor::bytes_of(stored)});
    ASSERT_TRUE(io::write_safetensors(file, views));
    auto loaded = value(Checkpoint::load(folder_));
    const std::string trained = "text_encoder/final_layer_norm.bias";
    // The file keeps its own names, and what no module has.
    ASSERT_TRUE(loaded->save_tuned(temp_.path() / "tuned", {trained}, loaded->card()));
    const auto tuned =
        value(io::SafetensorsFile::open(temp_.path() / "tuned/text_encoder/model.safetensors"));
    EXPECT_NE(tuned.find("text_model.final_layer_norm.bias"), nullptr);
    EXPECT_NE(tuned.find("text_model.embeddings.position_ids"), nullptr);
}

TEST_F(TextCheckpoint, PrefersFp32AndSaysWhatItReads)
{
    const fs::path unet = folder_ / "unet";
    fs::rename(unet / "diffusion_pytorch_model.safetensors",
               unet / "diffusion_pytorch_model.fp16.safetensors");
    const auto found = value(inspect(folder_, "attention"));
    ASSERT_EQ(found.notes.size(), 1u);
    EXPECT_EQ(found.notes.front(), "unet is read from diffusion_pytorch_model.fp16.safetensors");
    auto loaded = value(Checkpoint::load(folder_));
    ASSERT_TRUE(loaded->save_tuned(temp_.path() / "tuned", {"unet/conv_in.bias"}, loaded->card()));
    EXPECT_TRUE(fs::exists(temp_.path() / "tuned/unet/diffusion_pytorch_model.fp16.safetensors"));
}

TEST_F(TextCheckpoint, LeavesNoUntunedVariantBehind)
{
    const fs::path unet = folder_ / "unet";
    fs::copy_file(unet / "diffusion_pytorch_model.safetensors",
                  unet / "diffusion_pytorch_model.fp16.safetensors");
    ASSERT_TRUE(core::write_file(unet / "diffusion_pytorch_model.bin", "old"));
    auto loaded = value(Checkpoint::load(folder_));
    ASSERT_TRUE(loaded->save_tuned(temp_.path() / "tuned", {"unet/conv_in.bias"}, loaded->card()));
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(temp_.path() / "tuned/unet")) {
        EXPECT_TRUE(entry.path().filename() == "config.json"
                    || entry.path().filename() == "diffusion_pytorch_model.safetensors");
        ++files;
    }
    EXPECT_EQ(files, 2u);
}

TEST_F(TextCheckpoint, MakesImagesOfAnotherSize)
{
    auto loaded = value(Checkpoint::load(folder_));
    EXPECT_EQ(loaded->image_size(), 8);
    EXPECT_EQ(loaded->set_image_size(7).error().hint, "the nearest is 8");
    ASSERT_TRUE(loaded->set_image_size(16));
    EXPECT_EQ(loaded->latent_size(), 8);
    ASSERT_TRUE(loaded->save_tuned(temp_.path() / "tuned", {"unet/conv_in.bias"}, loaded->card()));
    EXPECT_EQ(value(Checkpoint::load(temp_.path() / "tuned"))->image_size(), 16);
}

TEST(Captions, PutTheClassInItsPlace)
{
    EXPECT_EQ(value(caption_of("a {class} cell", "red")), "a red cell");
    const auto without = caption_of("a cell", "red");
    ASSERT_FALSE(without);
    EXPECT_NE(without.error().hint.find("{class}"), std::string::npos);
}

} // namespace
} // namespace velamen::checkpoint
