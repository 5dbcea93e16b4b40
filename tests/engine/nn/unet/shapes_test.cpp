// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sizes of whole families without their memory.

#include "engine/nn/unet/shapes.h"

#include <gtest/gtest.h>

#include "engine/nn/unet/model.h"

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
    for (const UNet2DConditionConfig& config : {one_level, three_levels}) {
        const auto shapes = parameter_shapes(config);
        const auto parameters = UNet2DCondition(config)->named_parameters();
        ASSERT_EQ(shapes.size(), parameters.size());
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            EXPECT_EQ(shapes[i].name, parameters[i].key());
            EXPECT_EQ(shapes[i].shape, parameters[i].value().sizes().vec()) << shapes[i].name;
        }
    }
}

} // namespace
} // namespace velamen::nn
