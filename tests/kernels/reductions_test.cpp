// SPDX-License-Identifier: GPL-3.0-or-later
//
// Fast CPU kernels against the slow loops of kernels/cpu/reference.cpp.

#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/api/gram_product.h"
#include "kernels/api/layer_norm_sums.h"
#include "kernels/api/weighted_accumulate.h"
#include "tests/kernels/random_values.h"

namespace velamen::kernels {
namespace {

TEST(GramProduct, EqualsTheSlowLoop)
{
    for (const std::size_t units : {0U, 1U, 7U})
        for (const std::size_t tokens : {1U, 3U, 16U, 77U}) {
            const auto a = random_values(units * tokens * tokens, 1);
            const auto g = random_values(units * tokens * tokens, 2);
            std::vector<double> fast(units), slow(units), fast_bound(units), slow_bound(units);
            ASSERT_EQ(cpu::gram_product({}, {units, tokens, a, g, fast, fast_bound}), Status::Ok);
            ASSERT_EQ(reference::gram_product({}, {units, tokens, a, g, slow, slow_bound}),
                      Status::Ok);
            for (std::size_t u = 0; u < units; ++u) {
                EXPECT_NEAR(fast[u], slow[u], 1e-5 * static_cast<double>(tokens));
                EXPECT_NEAR(fast_bound[u], slow_bound[u], 1e-5 * static_cast<double>(tokens));
            }
        }
}

TEST(GramProduct, RefusesSizesThatDoNotFit)
{
    std::vector<float> a(8), g(9);
    std::vector<double> out(1), bound(1);
    EXPECT_EQ(cpu::gram_product({}, {1, 3, a, g, out, bound}), Status::InvalidArgument);
}

TEST(WeightedAccumulate, EqualsTheSlowLoopAndAddsToWhatIsThere)
{
    constexpr std::size_t kUnits = 7;
    constexpr std::size_t kWidth = 133;
    const auto rows = random_values(kUnits * kWidth, 3);
    const auto weights = random_values(kUnits, 4);
    auto fast = random_values(kWidth, 5);
    auto slow = fast;
    ASSERT_EQ(cpu::weighted_accumulate({}, {kUnits, kWidth, rows, weights, fast}), Status::Ok);
    ASSERT_EQ(reference::weighted_accumulate({}, {kUnits, kWidth, rows, weights, slow}),
              Status::Ok);
    for (std::size_t i = 0; i < kWidth; ++i)
        EXPECT_NEAR(fast[i], slow[i], 1e-5);
}

// 0 times NaN is NaN: a unit that is left out must not be multiplied by zero.
TEST(WeightedAccumulate, LeavesOutRowsOfWeightZero)
{
    std::vector<float> rows{1.0F, 2.0F, std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()};
    std::vector<float> weights{0.5F, 0.0F};
    std::vector<float> sum(2);
    ASSERT_EQ(cpu::weighted_accumulate({}, {2, 2, rows, weights, sum}), Status::Ok);
    EXPECT_EQ(sum, (std::vector<float>{0.5F, 1.0F}));
}

TEST(LayerNormSums, EqualTheSlowLoop)
{
    constexpr std::size_t kUnits = 3;
    constexpr std::size_t kTokens = 5;
    constexpr std::size_t kWidth = 37;
    const auto x = random_values(kUnits * kTokens * kWidth, 6);
    const auto g = random_values(kUnits * kTokens * kWidth, 7);
    const auto mean = random_values(kUnits * kTokens, 8);
    const auto rstd = random_values(kUnits * kTokens, 9);
    std::vector<float> w1(kUnits * kWidth), b1(w1), w2(w1), b2(w1);
    ASSERT_EQ(cpu::layer_norm_sums({}, {kUnits, kTokens, kWidth, x, g, mean, rstd, w1, b1}),
              Status::Ok);
    ASSERT_EQ(reference::layer_norm_sums({}, {kUnits, kTokens, kWidth, x, g, mean, rstd, w2, b2}),
              Status::Ok);
    for (std::size_t i = 0; i < w1.size(); ++i) {
        EXPECT_NEAR(w1[i], w2[i], 1e-4);
        EXPECT_NEAR(b1[i], b2[i], 1e-5);
    }
}

} // namespace
} // namespace velamen::kernels
