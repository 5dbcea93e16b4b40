// SPDX-License-Identifier: GPL-3.0-or-later
//
// What holds for single layers: taps, attention in its three forms, independence of samples.

#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/nn/layers/attention.h"
#include "engine/nn/layers/embedding.h"
#include "engine/nn/layers/res_block.h"
#include "engine/nn/layers/time_embedding.h"
#include "tests/engine/nn/golden.h"

namespace velamen::nn {
namespace {

/// Computes what the plain layers compute and remembers which weights it saw.
class RecordingTap final : public Tap {
public:
    std::set<const void*> weights;
    int calls = 0;

    at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias) override
    {
        return see(weight), at::linear(x, weight, bias);
    }
    at::Tensor conv1d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      std::int64_t stride, std::int64_t padding) override
    {
        return see(weight), at::conv1d(x, weight, bias, stride, padding);
    }
    at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      std::int64_t stride, std::int64_t padding) override
    {
        return see(weight), at::conv2d(x, weight, bias, stride, padding);
    }
    at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          double eps) override
    {
        return see(weight), at::layer_norm(x, weight.sizes(), weight, bias, eps);
    }
    at::Tensor group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                          const at::Tensor& bias, double eps) override
    {
        return see(weight), at::group_norm(x, groups, weight, bias, eps);
    }
    at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight) override
    {
        return see(weight), at::embedding(weight, ids);
    }

private:
    void see(const at::Tensor& weight)
    {
        weights.insert(weight.unsafeGetTensorImpl());
        ++calls;
    }
};

TEST(Tapped, ATapSeesEveryTrainedLayerAndChangesNothing)
{
    torch::manual_seed(1);
    Transformer2D block(TransformerOptions{
        .channels = 8, .context_channels = 5, .heads = 2, .depth = 2, .groups = 4});
    const auto x = torch::randn({2, 8, 3, 3}), context = torch::randn({2, 4, 5});
    const auto plain = block(x, context);
    RecordingTap tap;
    set_tap(*block, &tap);
    EXPECT_TRUE(torch::equal(block(x, context), plain));
    std::set<const void*> expected; // every parameter but the biases
    for (const auto& item : block->named_parameters())
        if (item.key().ends_with("weight")) expected.insert(item.value().unsafeGetTensorImpl());
    EXPECT_EQ(tap.weights, expected);
}

TEST(Tapped, ATapSeesNoFrozenWeightAndNothingWithoutGradients)
{
    RecordingTap tap;
    Linear layer(3, 2);
    layer->set_tap(&tap);
    {
        const torch::NoGradGuard no_grad;
        layer(torch::ones({1, 3}));
    }
    layer->weight.set_requires_grad(false);
    layer(torch::ones({1, 3}));
    EXPECT_EQ(tap.calls, 0);
    layer->weight.set_requires_grad(true);
    layer(torch::ones({1, 3}));
    EXPECT_EQ(tap.calls, 1);
    layer->set_tap(nullptr);
    layer(torch::ones({1, 3}));
    EXPECT_EQ(tap.calls, 1);
}

TEST(Tapped, EveryKindOfLayerAsksItsTap)
{
    RecordingTap tap;
    GroupNorm group(2, 4, 1e-5);
    LayerNorm layer(4);
    Conv conv(ConvOptions{.in = 4, .out = 2, .stride = 2, .padding = 1});
    Conv1d line(ConvOptions{.in = 4, .out = 3, .stride = 2, .padding = 1});
    Embedding table(3, 4);
    for (Tapped* tapped : std::initializer_list<Tapped*>{group.get(), layer.get(), conv.get(),
                                                         line.get(), table.get()})
        tapped->set_tap(&tap);
    const auto x = torch::randn({2, 4, 5, 5});
    EXPECT_EQ(conv(group(x)).sizes(), (torch::IntArrayRef{2, 2, 3, 3}));
    EXPECT_EQ(line(x.flatten(2)).sizes(), (torch::IntArrayRef{2, 3, 13}));
    EXPECT_EQ(layer(table(torch::tensor({0, 2}))).sizes(), (torch::IntArrayRef{2, 4}));
    EXPECT_EQ(tap.calls, 5);
}

// Oracle: the formula in double, heads one by one.
TEST(Attend, EqualsTheFormulaForFewAndForManyKeys)
{
    torch::manual_seed(2);
    for (std::int64_t keys : {3, 1024, 1100}) {
        const auto q = torch::randn({2, 5, 8}), k = torch::randn({2, keys, 8}),
                   v = torch::randn({2, keys, 8});
        std::vector<at::Tensor> heads;
        for (std::int64_t h = 0; h < 2; ++h) {
            const auto part = [h](const at::Tensor& t) {
                return t.narrow(2, 4 * h, 4).to(torch::kDouble);
            };
            const auto scores = torch::softmax(part(q).matmul(part(k).transpose(1, 2)) / 2.0, -1);
            heads.push_back(scores.matmul(part(v)));
        }
        test::expect_close(attend(q, k, v, 2), torch::cat(heads, 2).to(torch::kFloat), 2e-6,
                           std::to_string(keys));
    }
}

// Softmax over one key is 1, whatever the query: leaving it out changes neither value nor gradient.
TEST(Attention, OneContextTokenNeedsNoQueries)
{
    torch::manual_seed(3);
    Attention attention(8, 5, 2);
    const auto x = torch::randn({3, 6, 8});
    auto context = torch::randn({3, 1, 5}, torch::requires_grad());
    const auto weigh = torch::randn({3, 6, 8});
    const auto full = attention(x, context);
    const auto skipped = attention->forward_single_token(context).expand({3, 6, 8});
    test::expect_close(skipped, full, 1e-6);
    const auto slow = torch::autograd::grad({(full * weigh).sum()}, {context})[0];
    const auto fast = torch::autograd::grad({(skipped * weigh).sum()}, {context})[0];
    test::expect_close(fast, slow, 1e-6);
}

// The property DP-SGD rests on: a sample's output does not depend on its batch.
TEST(ResBlock, TreatsSamplesIndependently)
{
    torch::manual_seed(0);
    ResBlock block(
        ResBlockOptions{.in_channels = 8, .out_channels = 16, .time_channels = 4, .groups = 4});
    const auto x = torch::randn({3, 8, 6, 6}), time = torch::randn({3, 4});
    const auto whole = block(x, time);
    for (int i = 0; i < 3; ++i)
        test::expect_close(whole.narrow(0, i, 1), block(x.narrow(0, i, 1), time.narrow(0, i, 1)),
                           2e-6);
}

TEST(TimestepFeatures, FollowTheConventionOfTheConfig)
{
    const auto t = torch::tensor({0.0f, 2.5f});
    const auto flipped = timestep_features(t, 4, true, 0.0);
    const float slow = std::exp(-std::log(10000.0f) / 2.0f); // second frequency of two
    const auto expected = torch::tensor(
        {{1.0f, 1.0f, 0.0f, 0.0f},
         {std::cos(2.5f), std::cos(2.5f * slow), std::sin(2.5f), std::sin(2.5f * slow)}});
    test::expect_close(flipped, expected, 1e-6);
    test::expect_close(timestep_features(t, 4, false, 0.0), expected.roll(2, 1), 1e-6);
}

} // namespace
} // namespace velamen::nn
