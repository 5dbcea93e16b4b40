// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sizes of whole families without their memory.

#include "engine/nn/unet/shapes.h"

#include <gtest/gtest.h>

#include "engine/nn/unet/config.h"
#include "engine/nn/unet/model.h"
#include "engine/nn/unet/unconditional_config.h"

namespace velamen::nn {
namespace {

using Types = std::vector<std::string>;

// Oracle: the module itself, for every branch of the arithmetic.
TEST(ParameterShapes, EqualTheModulesParametersInOrder)
{
    const UNet2DConditionConfig one_level{.in_channels = 2,
                                          .out_channels = 3,
                                          .down_block_types = {"CrossAttnDownBlock2D"},
                                          .up_block_types = {"UpBlock2D"},
                                          .block_out_channels = {8},
                                          .layers_per_block = 1,
                                          .cross_attention_dim = 5,
                                          .attention_head_dim = {2},
                                          .norm_num_groups = 4};
    UNet2DConditionConfig three_levels = one_level;
    three_levels.down_block_types = Types{"DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"};
    three_levels.up_block_types = Types{"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"};
    three_levels.block_out_channels = {8, 12, 12};
    three_levels.layers_per_block = 2;
    three_levels.transformer_layers_per_block = 2;
    three_levels.use_linear_projection = true;
    three_levels.attention_head_dim = {1, 2, 3};
    UNet2DConditionConfig own_resampling = three_levels;
    own_resampling.resnet_resampling = true;
    own_resampling.scale_shift = true;
    own_resampling.num_class_embeds = 7;
    const UNet2DConfig spatial{.down_block_types = {"DownBlock2D", "AttnDownBlock2D"},
                               .up_block_types = {"AttnUpBlock2D", "UpBlock2D"},
                               .block_out_channels = {8, 12},
                               .layers_per_block = 1,
                               .attention_head_dim = 4,
                               .norm_num_groups = 4,
                               .attention_resampling_by_resnet = true};
    UNet2DConfig bare = spatial;
    bare.scale_shift = true; // no norm in the middle's attention
    UNet2DConfig convolutional = spatial;
    convolutional.add_attention = false;
    convolutional.num_attention_heads = 2;
    convolutional.resnet_resampling = true;
    for (const UNetPlan& plan : {one_level.plan(), three_levels.plan(), own_resampling.plan(),
                                 spatial.plan(), bare.plan(), convolutional.plan()}) {
        const auto shapes = parameter_shapes(plan);
        const auto parameters = UNet(plan)->named_parameters();
        ASSERT_EQ(shapes.size(), parameters.size());
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            EXPECT_EQ(shapes[i].name, parameters[i].key());
            EXPECT_EQ(shapes[i].shape, parameters[i].value().sizes().vec()) << shapes[i].name;
        }
    }
}

} // namespace
} // namespace velamen::nn
