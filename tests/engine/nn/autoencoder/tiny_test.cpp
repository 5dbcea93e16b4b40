// SPDX-License-Identifier: GPL-3.0-or-later
//
// The tiny autoencoder against diffusers.

#include "engine/nn/autoencoder/tiny.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/engine/nn/golden.h"

namespace velamen::nn {
namespace {

using test::Golden;

// Oracle: diffusers, all parameters random.
TEST(AutoencoderTiny, AgreesWithDiffusersInBothDirections)
{
    const at::NoGradGuard no_grad;
    const Golden golden("tiny");
    AutoencoderTiny model(test::value(AutoencoderTinyConfig::from_json(golden.json("config"))));
    golden.fill(*model);
    test::expect_close(model->encode(golden.data("sample")), golden.data("encoded"), 1e-5);
    test::expect_close(model->decode(golden.data("latents")), golden.data("decoded"), 1e-5);
}

// Published: TAESD.
TEST(AutoencoderTiny, HasThePublishedSize)
{
    std::int64_t parameters = 0, tensors = 0;
    for (const auto& parameter : AutoencoderTiny(AutoencoderTinyConfig{})->parameters()) {
        parameters += parameter.numel();
        ++tensors;
    }
    EXPECT_EQ(parameters, 1'222'532 + 1'222'531);
    EXPECT_EQ(tensors, 134);
}

TEST(AutoencoderTiny, WritesTheConfigThatItReadAndRefusesOthers)
{
    const Golden golden("tiny");
    const io::Json given = golden.json("config");
    const io::Json written = test::value(AutoencoderTinyConfig::from_json(given)).to_json();
    for (const auto& [key, value] : *written.if_object())
        EXPECT_EQ(given.find(key)->dump(), value.dump()) << key;
    for (const auto& [key, wrong] : std::vector<std::pair<std::string, io::Json>>{
             {"act_fn", "gelu"},
             {"upsampling_scaling_factor", 4},
             {"encoder_block_out_channels", io::Json::Array{8, 8, 16}},
             {"encoder_block_out_channels", io::Json::Array{8, 8}},
             {"latent_channels", 0}}) {
        io::Json json = given;
        json[key] = wrong;
        EXPECT_FALSE(AutoencoderTinyConfig::from_json(json)) << key;
    }
}

} // namespace
} // namespace velamen::nn
