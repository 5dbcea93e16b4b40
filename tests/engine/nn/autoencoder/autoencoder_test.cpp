// SPDX-License-Identifier: GPL-3.0-or-later
//
// The autoencoder against diffusers.

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/nn/autoencoder/model.h"
#include "tests/engine/nn/golden.h"

namespace velamen::nn {
namespace {

class AutoencoderGolden : public testing::TestWithParam<const char*> {};

AutoencoderKL load(const test::Golden& golden)
{
    AutoencoderKL vae(test::value(AutoencoderKLConfig::from_json(golden.json("config"))));
    golden.fill(*vae);
    return vae;
}

// Oracle: diffusers, all parameters random.
TEST_P(AutoencoderGolden, AgreesWithDiffusersInBothDirections)
{
    const torch::NoGradGuard no_grad;
    const test::Golden golden(GetParam());
    AutoencoderKL vae = load(golden);
    const Posterior posterior = vae->encode(golden.data("sample"));
    test::expect_close(posterior.mean, golden.data("mean"), 1e-5);
    test::expect_close(posterior.logvar, golden.data("logvar"), 1e-5);
    test::expect_close(vae->decode(golden.data("latents")), golden.data("decoded"), 1e-5);
}

TEST_P(AutoencoderGolden, WritesTheConfigThatItRead)
{
    const test::Golden golden(GetParam());
    const auto config = test::value(AutoencoderKLConfig::from_json(golden.json("config")));
    EXPECT_EQ(config.factor(), 2);
    const io::Json written = config.to_json();
    for (const auto& [key, value] : *written.if_object())
        EXPECT_EQ(golden.json("config").find(key)->dump(), value.dump()) << key;
}

TEST_P(AutoencoderGolden, TreatsSamplesIndependently)
{
    const torch::NoGradGuard no_grad;
    const test::Golden golden(GetParam());
    AutoencoderKL vae = load(golden);
    const auto x = golden.data("sample");
    const auto whole = vae->encode(x).mean;
    for (int i = 0; i < 2; ++i)
        test::expect_close(vae->encode(x.narrow(0, i, 1)).mean, whole.narrow(0, i, 1), 5e-6);
}

INSTANTIATE_TEST_SUITE_P(Twins, AutoencoderGolden, testing::Values("vae", "vae_plain"));

TEST(Autoencoder, ClampsTheLogVarianceOfItsPosterior)
{
    const torch::NoGradGuard no_grad;
    AutoencoderKL vae(AutoencoderKLConfig{
        .in_channels = 1, .block_out_channels = {4}, .latent_channels = 1, .norm_num_groups = 2});
    auto parameters = vae->named_parameters();
    parameters["quant_conv.weight"].zero_();
    parameters["quant_conv.bias"].copy_(torch::tensor({100.0f, 100.0f}));
    const Posterior posterior = vae->encode(torch::zeros({1, 1, 2, 2}));
    EXPECT_EQ(posterior.mean.max().item<float>(), 100.0f);
    EXPECT_EQ(posterior.logvar.max().item<float>(), 20.0f);
}

} // namespace
} // namespace velamen::nn
