// SPDX-License-Identifier: GPL-3.0-or-later
//
// The layers that keep less than torch's functions compute what those compute,
// forward and backward. The oracle of every test is torch's own composition in
// double.

#include <cmath>
#include <functional>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/nn/layers/attention.h"
#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/frozen.h"
#include "engine/nn/layers/linear.h"
#include "engine/nn/layers/precision.h"
#include "engine/nn/layers/res_block.h"
#include "tests/engine/nn/golden.h"

namespace velamen::nn {
namespace {

using Job = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// Value and input gradients under one weighting of the output.
std::vector<at::Tensor> value_and_gradients(const Job& job, std::vector<at::Tensor> inputs)
{
    for (at::Tensor& input : inputs)
        input = input.detach().clone().requires_grad_(true);
    const at::Tensor out = job(inputs);
    torch::manual_seed(9);
    const at::Tensor weigh = torch::randn(out.sizes()).to(out.scalar_type());
    std::vector<at::Tensor> all = torch::autograd::grad({(out * weigh).sum()}, inputs);
    all.push_back(out.detach());
    return all;
}

void expect_same(const Job& fast, const Job& plain, const std::vector<at::Tensor>& inputs,
                 const std::string& what = {})
{
    std::vector<at::Tensor> wide;
    for (const at::Tensor& input : inputs)
        wide.push_back(input.to(at::kDouble));
    const auto ours = value_and_gradients(fast, inputs), exact = value_and_gradients(plain, wide);
    for (std::size_t i = 0; i < exact.size(); ++i)
        test::expect_close(ours[i].to(at::kDouble), exact[i], 5e-6, what + " " + std::to_string(i));
}

TEST(FrozenConv, EqualsTheConvolutionForFewAndForManyPixels)
{
    torch::manual_seed(1);
    for (const std::int64_t size : {1, 2, 5, 12})
        for (const ConvOptions& o : {ConvOptions{.in = 6, .out = 5, .padding = 1},
                                     ConvOptions{.in = 6, .out = 5, .stride = 2, .padding = 1},
                                     ConvOptions{.in = 6, .out = 5, .kernel = 1}}) {
            Conv conv(o);
            for (at::Tensor& parameter : conv->parameters())
                parameter.set_requires_grad(false);
            const at::Tensor weight = conv->weight.to(at::kDouble).contiguous();
            const at::Tensor bias = conv->bias.to(at::kDouble);
            expect_same([&](const auto& in) { return conv(in[0]); },
                        [&](const auto& in) {
                            return at::conv2d(in[0], weight, bias, o.stride, o.padding);
                        },
                        {torch::randn({3, 6, size, size})},
                        std::to_string(size) + " stride " + std::to_string(o.stride));
        }
}

TEST(FrozenConv, LaysItsWeightOutOnceWithoutChangingIt)
{
    Conv conv(ConvOptions{.in = 4, .out = 3, .padding = 1});
    for (at::Tensor& parameter : conv->parameters())
        parameter.set_requires_grad(false);
    const at::Tensor held = conv->weight, before = conv->weight.clone();
    conv(torch::randn({1, 4, 8, 8}));
    EXPECT_TRUE(conv->weight.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(held.is_same(conv->weight));
    EXPECT_TRUE(torch::equal(held, before));
}

TEST(FrozenNorm, EqualsNormThenSilu)
{
    torch::manual_seed(2);
    const auto weight = torch::randn({8}), bias = torch::randn({8});
    const auto slow = [&](const at::Tensor& x) {
        return at::group_norm(x, 2, weight.to(at::kDouble), bias.to(at::kDouble), 1e-5);
    };
    for (const bool is_last : {false, true})
        for (const std::int64_t n : {1, 3}) { // fewer samples than threads, and more
            auto x = torch::randn({n, 8, 16, 15});
            if (is_last) x = channels_last(x);
            expect_same(
                [&](const auto& in) { return frozen_norm(in[0], 2, weight, bias, 1e-5, true); },
                [&](const auto& in) { return at::silu(slow(in[0])); }, {x});
            expect_same(
                [&](const auto& in) { return frozen_norm(in[0], 2, weight, bias, 1e-5, false); },
                [&](const auto& in) { return slow(in[0]); }, {x});
        }
}

// torch 2.15's own norm of this channels-last map is 120 away, of the contiguous one 4.8e-4.
TEST(FrozenNorm, KeepsTheDigitsOfAFaintMapWithALargeMean)
{
    torch::manual_seed(2);
    const auto x = channels_last(torch::randn({2, 8, 32, 32}) * 1e-3 + 5.0);
    const auto weight = torch::ones({8}), bias = torch::zeros({8});
    const at::NoGradGuard guard;
    const auto exact =
        at::group_norm(x.to(at::kDouble), 2, weight.to(at::kDouble), bias.to(at::kDouble), 1e-9);
    const auto own = frozen_norm(x, 2, weight, bias, 1e-9, false);
    EXPECT_LT((own - exact).abs().max().item<double>(), 1e-3); // half a digit of x is 2.4e-4
}

// The second and third keep no probabilities: 4 heads over 1024 positions are too many of them.
TEST(Attend, HasTheGradientsOfTheFormula)
{
    torch::manual_seed(3);
    const auto expect_formula = [](std::int64_t n, std::int64_t heads, std::int64_t length,
                                   std::int64_t keys) {
        const std::int64_t width = heads * 6;
        expect_same([=](const auto& in) { return attend(in[0], in[1], in[2], heads); },
                    [=](const auto& in) {
                        const auto split = [=](const at::Tensor& x) {
                            return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
                        };
                        const auto scores =
                            split(in[0]).matmul(split(in[1]).transpose(2, 3)) / std::sqrt(6.0);
                        return at::softmax(scores, -1)
                            .matmul(split(in[2]))
                            .transpose(1, 2)
                            .reshape(in[0].sizes());
                    },
                    {torch::randn({n, length, width}), torch::randn({n, keys, width}),
                     torch::randn({n, keys, width})},
                    std::to_string(n) + " of length " + std::to_string(length));
    };
    expect_formula(1, 2, 7, 5);
    expect_formula(1, 4, 1024, 1024);
    expect_formula(2, 4, 1024, 1024);
    expect_formula(3, 2, 7, 5);
}

TEST(Geglu, EqualsValueTimesGeluOfTheGate)
{
    torch::manual_seed(4);
    expect_same([](const auto& in) { return geglu(in[0]); },
                [](const auto& in) {
                    const auto halves = in[0].chunk(2, -1);
                    return halves[0] * at::gelu(halves[1]);
                },
                {torch::randn({2, 3, 10})});
}

// 2e-2: eight bits of mantissa through two convolutions, relative to the
// largest value.
TEST(Precision, FrozenWeightsInBfloat16GiveNearlyTheSameAndTrainedOnesStayExact)
{
    torch::manual_seed(5);
    ResBlock block(ResBlockOptions{.in_channels = 8, .out_channels = 16, .groups = 4});
    for (auto& item : block->named_parameters())
        item.value().set_requires_grad(item.key() == "conv2.weight");
    const at::Tensor trained = block->named_parameters()["conv2.weight"];
    const auto x = torch::randn({2, 8, 6, 6});
    const at::Tensor exact = block(x);
    const at::Tensor exact_grad = torch::autograd::grad({exact.sum()}, {trained})[0];
    store_frozen_in_bfloat16(*block);
    EXPECT_EQ(trained.scalar_type(), at::kFloat);
    const at::Tensor rounded = block(x.to(at::kBFloat16));
    EXPECT_EQ(rounded.scalar_type(), at::kBFloat16);
    test::expect_close(rounded.to(at::kFloat), exact, 2e-2);
    const at::Tensor grad = torch::autograd::grad({rounded.to(at::kFloat).sum()}, {trained})[0];
    EXPECT_EQ(grad.scalar_type(), at::kFloat);
    test::expect_close(grad, exact_grad, 2e-2);
}

} // namespace
} // namespace velamen::nn
