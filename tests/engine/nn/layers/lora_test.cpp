// SPDX-License-Identifier: GPL-3.0-or-later
//
// A linear layer with low-rank factors against the layer that they are folded into.

#include "engine/nn/layers/lora.h"

#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/nn/layers/linear.h"

namespace velamen::nn {
namespace {

/// Remembers the weights of its linear calls in order.
class LinearTap final : public Tap {
public:
    std::vector<const void*> weights;

    at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias) override
    {
        weights.push_back(weight.unsafeGetTensorImpl());
        return at::linear(x, weight, bias);
    }
    at::Tensor conv1d(const at::Tensor& x, const at::Tensor&, const at::Tensor&, std::int64_t,
                      std::int64_t) override
    {
        return x;
    }
    at::Tensor conv2d(const at::Tensor& x, const at::Tensor&, const at::Tensor&, std::int64_t,
                      std::int64_t) override
    {
        return x;
    }
    at::Tensor layer_norm(const at::Tensor& x, const at::Tensor&, const at::Tensor&,
                          double) override
    {
        return x;
    }
    at::Tensor group_norm(const at::Tensor& x, std::int64_t, const at::Tensor&, const at::Tensor&,
                          double) override
    {
        return x;
    }
    at::Tensor embedding(const at::Tensor& ids, const at::Tensor&) override { return ids; }
};

LoraFactors factors_of(std::int64_t in, std::int64_t out, std::uint64_t seed)
{
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    return fresh_lora(in, out, 2, 1.5, generator);
}

class LoraLayer : public testing::Test {
protected:
    LoraLayer()
    {
        torch::manual_seed(4);
        layer_ = Linear(6, 5);
        for (at::Tensor& parameter : layer_->parameters())
            parameter.set_requires_grad(false);
    }
    Linear layer_{nullptr};
    LoraFactors factors_ = factors_of(6, 5, 1);
};

TEST_F(LoraLayer, FreshFactorsChangeNothingAndFollowTheirSeed)
{
    const auto x = torch::randn({3, 6});
    const auto before = layer_(x);
    layer_->set_lora(factors_);
    EXPECT_TRUE(torch::equal(layer_(x), before));
    EXPECT_EQ(factors_.a.sizes(), (torch::IntArrayRef{2, 6}));
    EXPECT_EQ(factors_.b.sizes(), (torch::IntArrayRef{5, 2}));
    EXPECT_LE(factors_.a.abs().max().item<double>(), 1.0 / std::sqrt(6.0));
    EXPECT_GT(factors_.a.abs().min().item<double>(), 0.0);
    EXPECT_TRUE(torch::equal(factors_of(6, 5, 1).a, factors_.a));
    EXPECT_FALSE(torch::equal(factors_of(6, 5, 2).a, factors_.a));
    EXPECT_EQ(layer_->parameters().size(), 2u); // factors are none of the module's
}

// Oracle: the folded weight. fp32 in another order.
TEST_F(LoraLayer, EqualsTheLayerWithFoldedFactors)
{
    factors_.b.normal_();
    layer_->set_lora(factors_);
    const auto folded = merged(layer_->weight, factors_);
    EXPECT_TRUE(torch::allclose(folded, layer_->weight + 1.5 * factors_.b.matmul(factors_.a)));
    for (const auto& x : {torch::randn({3, 6}), torch::randn({3, 4, 6})})
        EXPECT_TRUE(torch::allclose(layer_(x), at::linear(x, folded, layer_->bias), 1e-5, 1e-6));
}

TEST_F(LoraLayer, ATapSeesBothFactorsAndNotTheFrozenWeight)
{
    factors_.b.normal_();
    layer_->set_lora(factors_);
    LinearTap tap;
    layer_->set_tap(&tap);
    const auto x = torch::randn({3, 6});
    const auto frozen = layer_(x);
    EXPECT_TRUE(tap.weights.empty());

    factors_.a.set_requires_grad(true);
    factors_.b.set_requires_grad(true);
    EXPECT_TRUE(torch::equal(layer_(x), frozen));
    EXPECT_EQ(tap.weights,
              (std::vector<const void*>{factors_.a.unsafeGetTensorImpl(),
                                        factors_.b.unsafeGetTensorImpl()}));
    const torch::NoGradGuard no_grad;
    EXPECT_TRUE(torch::equal(layer_(x), frozen));
    EXPECT_EQ(tap.weights.size(), 2u);
}

// Oracle: finite-size algebra, y = x W' + s x A' B'; one row.
TEST_F(LoraLayer, GradientsReachTheFactorsAndTheInputButNeverTheWeight)
{
    factors_.b.normal_();
    factors_.a.set_requires_grad(true);
    factors_.b.set_requires_grad(true);
    layer_->set_lora(factors_);
    const auto x = torch::randn({1, 6}).requires_grad_(true), g = torch::randn({1, 5});
    layer_(x).backward(g);
    const torch::NoGradGuard no_grad;
    EXPECT_FALSE(layer_->weight.grad().defined());
    EXPECT_TRUE(torch::allclose(x.grad(), g.matmul(merged(layer_->weight, factors_)), 1e-5, 1e-6));
    EXPECT_TRUE(torch::allclose(factors_.b.grad(), 1.5 * g.t().matmul(x.matmul(factors_.a.t())),
                                1e-5, 1e-6));
    EXPECT_TRUE(
        torch::allclose(factors_.a.grad(), 1.5 * g.matmul(factors_.b).t().matmul(x), 1e-5, 1e-6));
}

} // namespace
} // namespace velamen::nn
