// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layers with packed weights against the same layers in double.

#include "engine/nn/layers/packed.h"

#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/linear.h"

namespace velamen::nn {
namespace {

void expect_near(const at::Tensor& got, const at::Tensor& exact, const std::string& what)
{
    ASSERT_EQ(got.sizes(), exact.sizes()) << what;
    EXPECT_LE((got.to(at::kDouble) - exact).abs().max().item<double>(),
              1e-5 * std::max(1.0, exact.abs().max().item<double>()))
        << what;
}

TEST(PackedWeights, GiveTheNumbersOfTheFormula)
{
    at::manual_seed(1);
    const at::NoGradGuard no_grad;
    for (const bool has_bias : {false, true}) {
        Linear linear(48, 40, has_bias);
        const PackedWeights packed(*linear);
        const at::Tensor bias = has_bias ? linear->bias.to(at::kDouble) : at::Tensor{};
        for (const std::int64_t rows : {7, 1, 130}) { // packed for seven
            const at::Tensor x = at::randn({rows, 3, 48});
            expect_near(linear(x),
                        at::linear(x.to(at::kDouble), linear->weight.to(at::kDouble), bias),
                        std::to_string(rows));
        }
    }
    for (const ConvOptions& o : {ConvOptions{.in = 16, .out = 24, .padding = 1},
                                 ConvOptions{.in = 16, .out = 24, .stride = 2, .padding = 1},
                                 ConvOptions{.in = 16, .out = 24, .kernel = 1}}) {
        Conv conv(o);
        const PackedWeights packed(*conv);
        for (const std::int64_t size : {8, 4}) {
            const at::Tensor x = at::randn({3, 16, size, size});
            const at::Tensor exact = at::conv2d(x.to(at::kDouble), conv->weight.to(at::kDouble),
                                                conv->bias.to(at::kDouble), o.stride, o.padding);
            const at::Tensor got = conv(x);
            expect_near(got, exact, std::to_string(o.kernel) + " " + std::to_string(o.stride));
            EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
        }
    }
}

// A run in bfloat16 rounds a frozen bias beside a weight that its factors keep in fp32.
TEST(PackedWeights, TakeABiasOfAnotherType)
{
    at::manual_seed(3);
    const at::NoGradGuard no_grad;
    Linear linear(48, 40);
    Conv conv(ConvOptions{.in = 16, .out = 24, .padding = 1});
    for (at::Tensor* bias : {&linear->bias, &conv->bias})
        bias->set_data(bias->detach().to(at::kBFloat16));
    const PackedWeights packed_linear(*linear), packed_conv(*conv);
    const at::Tensor row = at::randn({7, 48}), map = at::randn({3, 16, 8, 8});
    expect_near(linear(row),
                at::linear(row.to(at::kDouble), linear->weight.to(at::kDouble),
                           linear->bias.to(at::kDouble)),
                "linear");
    expect_near(conv(map),
                at::conv2d(map.to(at::kDouble), conv->weight.to(at::kDouble),
                           conv->bias.to(at::kDouble), 1, 1),
                "conv");
}

TEST(PackedWeights, AreForgottenWhenTheScopeEnds)
{
    at::manual_seed(2);
    const at::NoGradGuard no_grad;
    Linear linear(8, 8);
    const at::Tensor x = at::randn({4, 8});
    {
        const PackedWeights packed(*linear);
        linear(x);
    }
    linear->weight.zero_();
    linear->bias.zero_();
    EXPECT_EQ(linear(x).abs().max().item<float>(), 0.0F);
    const PackedWeights again(*linear);
    EXPECT_EQ(linear(x).abs().max().item<float>(), 0.0F);
}

TEST(PackedWeights, LeaveTrainingAndLargeModelsAlone)
{
    at::manual_seed(3);
    Linear linear(8, 8);
    const at::Tensor x = at::randn({4, 8});
    const PackedWeights packed(*linear);
    linear(x).sum().backward(); // with a graph: not the packed product
    EXPECT_TRUE(linear->weight.grad().defined());
    Linear large(8, 8);
    const PackedWeights not_packed(*large, 8 * 8 * 4);
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(large(x), at::linear(x, large->weight, large->bias)));
}

} // namespace
} // namespace velamen::nn
