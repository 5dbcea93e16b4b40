// SPDX-License-Identifier: GPL-3.0-or-later
//
// The unconditional UNet against diffusers, its sizes, and what its config accepts.

#include "engine/nn/unet/unconditional_config.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "engine/nn/unet/model.h"
#include "tests/engine/nn/golden.h"

namespace velamen::nn {
namespace {

using test::Golden;

class Unconditional : public testing::TestWithParam<const char*> {};

// Oracle: diffusers, all parameters random.
TEST_P(Unconditional, AgreesWithDiffusers)
{
    const at::NoGradGuard no_grad;
    const Golden golden(GetParam());
    UNet unet(test::value(UNet2DConfig::from_json(golden.json("config"))).plan());
    golden.fill(*unet);
    std::int64_t parameters = 0;
    for (const auto& parameter : unet->parameters())
        parameters += parameter.numel();
    EXPECT_EQ(parameters, golden.parameters());
    for (const std::string kind : {"even", "faint"})
        test::expect_close(unet(golden.data(kind + "_sample"), golden.data("timestep")),
                           golden.data(kind + "_out"), 1e-5, kind);
}

TEST_P(Unconditional, WritesTheConfigThatItRead)
{
    const io::Json given = Golden(GetParam()).json("config");
    const io::Json written = test::value(UNet2DConfig::from_json(given)).to_json();
    EXPECT_TRUE(
        std::ranges::is_sorted(*written.if_object(), {}, &io::Json::Object::value_type::first));
    for (const auto& [key, value] : *written.if_object()) {
        const io::Json* before = given.find(key);
        ASSERT_NE(before, nullptr) << key;
        EXPECT_EQ(before->dump(), value.dump()) << key;
    }
}

INSTANTIATE_TEST_SUITE_P(Twins, Unconditional,
                         testing::Values("uncond", "uncond_shift", "uncond_bare"));

// Published: ldm-celebahq-256.
TEST(UNet2D, HasThePublishedSize)
{
    UNet2DConfig config;
    config.down_block_types = {"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D",
                               "AttnDownBlock2D"};
    config.attention_head_dim = 32;
    std::int64_t parameters = 0, tensors = 0;
    for (const auto& parameter : UNet(config.plan())->parameters()) {
        parameters += parameter.numel();
        ++tensors;
    }
    EXPECT_EQ(parameters, 274'056'163);
    EXPECT_EQ(tensors, 432);
}

TEST(UNet2DConfig, RefusesWhatItDoesNotKnow)
{
    for (const auto& [key, wrong] :
         std::vector<std::pair<std::string, io::Json>>{{"act_fn", "relu"},
                                                       {"class_embed_type", "timestep"},
                                                       {"downsample_type", "resnet"},
                                                       {"upsample_type", "fir"},
                                                       {"resnet_time_scale_shift", "spatial"},
                                                       {"attention_head_dim", 5},
                                                       {"norm_num_groups", 0},
                                                       {"mid_block_type", nullptr},
                                                       {"layers_per_block", 0}}) {
        io::Json json = Golden("uncond").json("config");
        json[key] = wrong;
        EXPECT_FALSE(UNet2DConfig::from_json(json)) << key;
    }
}

} // namespace
} // namespace velamen::nn
