// SPDX-License-Identifier: GPL-3.0-or-later
//
// The UNet against diffusers, its sizes, and what its config accepts.

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/unet/config.h"
#include "engine/nn/unet/model.h"
#include "tests/engine/nn/golden.h"

namespace velamen::nn {
namespace {

UNet2DConditionConfig mnist_config()
{
    return {.sample_size = 4,
            .in_channels = 3,
            .out_channels = 3,
            .down_block_types = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D"},
            .up_block_types = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D"},
            .block_out_channels = {64, 128},
            .layers_per_block = 1,
            .cross_attention_dim = 5,
            .attention_head_dim = {4}};
}

UNet2DConditionConfig cifar_config()
{
    return {.sample_size = 16,
            .in_channels = 3,
            .out_channels = 3,
            .block_out_channels = {128, 256, 256, 512},
            .cross_attention_dim = 512};
}

struct Count {
    std::int64_t all = 0, attention = 0;
    std::size_t tensors = 0;
};

Count count(const UNet2DConditionConfig& config)
{
    UNet unet(config.plan());
    Count out;
    for (const auto& item : unet->named_parameters()) {
        ++out.tensors;
        out.all += item.value().numel();
        if (item.key().find(".attentions.") != std::string::npos)
            out.attention += item.value().numel();
    }
    return out;
}

/// Of twins with a class table beside the timestep.
at::Tensor labels_of(const test::Golden& golden, const UNetImpl& unet)
{
    return unet.plan().class_rows > 0 ? golden.data("labels") : at::Tensor();
}

class UNetGolden : public testing::TestWithParam<const char*> {};

// Oracle: diffusers, all parameters random. Same operations in another order: 3e-6 is what two
// correct implementations differ by.
TEST_P(UNetGolden, AgreesWithDiffusersAlsoForOddSizesAndFaintInputs)
{
    const torch::NoGradGuard no_grad;
    const test::Golden golden(GetParam());
    UNet unet(test::value(UNet2DConditionConfig::from_json(golden.json("config"))).plan());
    golden.fill(*unet);
    for (const std::string name : {"even", "odd", "faint"})
        test::expect_close(unet(golden.data(name + "_sample"), golden.data("timestep"),
                                golden.data(name + "_context"), labels_of(golden, *unet)),
                           golden.data(name + "_out"), 1e-5, name);
}

TEST_P(UNetGolden, TreatsSamplesIndependently)
{
    const torch::NoGradGuard no_grad;
    const test::Golden golden(GetParam());
    UNet unet(test::value(UNet2DConditionConfig::from_json(golden.json("config"))).plan());
    golden.fill(*unet);
    const auto x = golden.data("odd_sample"), t = golden.data("timestep"),
               context = golden.data("odd_context");
    const at::Tensor labels = labels_of(golden, *unet);
    const auto whole = unet(x, t, context, labels);
    for (int i = 0; i < 2; ++i) {
        const auto row = [i](const at::Tensor& all) {
            return all.defined() ? all.narrow(0, i, 1) : all;
        };
        test::expect_close(unet(row(x), row(t), row(context), row(labels)), row(whole), 5e-6);
    }
}

TEST_P(UNetGolden, WritesTheConfigThatItRead)
{
    const test::Golden golden(GetParam());
    const auto config = test::value(UNet2DConditionConfig::from_json(golden.json("config")));
    const auto again = test::value(UNet2DConditionConfig::from_json(config.to_json()));
    EXPECT_EQ(config.to_json(), again.to_json());
    const io::Json written = config.to_json();
    for (const auto& [key, value] : *written.if_object())
        EXPECT_EQ(golden.json("config").find(key)->dump(), value.dump()) << key;
}

INSTANTIATE_TEST_SUITE_P(Twins, UNetGolden,
                         testing::Values("unet_conv", "unet_linear", "unet_classes", "unet_shift"));

// Oracle: counted in diffusers.
TEST(UNet, HasTheSizesOfThePaperConfigurations)
{
    const Count mnist = count(mnist_config());
    EXPECT_EQ(mnist.all, 4'108'675);
    EXPECT_EQ(mnist.attention, 1'578'304);
    const Count cifar = count(cifar_config());
    EXPECT_EQ(cifar.all, 90'290'563);
    EXPECT_EQ(cifar.attention, 23'867'520);
    EXPECT_EQ(cifar.tensors, 686u);
}

TEST(UNet, PassesGradientsToTheContextWhenItsPrefixIsFrozen)
{
    torch::manual_seed(4);
    UNet unet(mnist_config().plan());
    ClassEmbedder classes(11, 5);
    EXPECT_EQ(classes->null_class(), 10);
    for (auto& parameter : unet->parameters())
        parameter.set_requires_grad(false);
    const auto context = classes(torch::tensor({3, 10}));
    EXPECT_EQ(context.sizes(), (torch::IntArrayRef{2, 1, 5}));
    unet(torch::randn({2, 3, 4, 4}), torch::tensor({5.0f, 9.0f}), context).sum().backward();
    const auto gradient = classes->parameters().front().grad();
    EXPECT_GT(gradient[3].abs().sum().item<float>(), 0.0f);
    EXPECT_GT(gradient[10].abs().sum().item<float>(), 0.0f);
    EXPECT_EQ(gradient[4].abs().sum().item<float>(), 0.0f);
}

TEST(UNetConfig, RefusesByNameWhatWouldChangeTheComputation)
{
    for (const auto& [key, value] :
         std::vector<std::pair<std::string, io::Json>>{{"resnet_time_scale_shift", "spatial"},
                                                       {"class_embed_type", "timestep"},
                                                       {"dual_cross_attention", true},
                                                       {"act_fn", "gelu"},
                                                       {"cross_attention_norm", "layer_norm"}}) {
        io::Json json = mnist_config().to_json();
        json[key] = value;
        const auto config = UNet2DConditionConfig::from_json(json);
        ASSERT_FALSE(config) << key;
        EXPECT_EQ(config.error().code, ErrorCode::Unsupported) << key;
        EXPECT_NE(config.error().message.find(key), std::string::npos) << config.error().message;
    }
}

TEST(UNetConfig, RefusesNumbersThatDoNotFitEachOther)
{
    const auto refused = [](auto change) {
        UNet2DConditionConfig config = mnist_config();
        change(config);
        return !config.check().has_value();
    };
    EXPECT_FALSE(refused([](auto&) {}));
    EXPECT_TRUE(refused([](auto& c) { c.block_out_channels = {64}; }));
    EXPECT_TRUE(refused([](auto& c) { c.block_out_channels = {64, 100}; }));
    EXPECT_TRUE(refused([](auto& c) { c.attention_head_dim = {3}; }));
    EXPECT_TRUE(refused([](auto& c) { c.attention_head_dim = {4, 4, 4}; }));
    EXPECT_TRUE(refused([](auto& c) { c.in_channels = 0; }));
    EXPECT_TRUE(refused([](auto& c) { c.down_block_types[0] = "AttnDownBlock2D"; }));
}

} // namespace
} // namespace velamen::nn
