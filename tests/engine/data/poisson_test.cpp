// SPDX-License-Identifier: GPL-3.0-or-later
//
// Oracle: the binomial distribution. Streams are fixed, so each test always gives the same answer;
// a fresh stream would fail each of them by chance with the probability stated beside it.

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "engine/data/poisson.h"

namespace velamen::data {
namespace {

const core::StreamKey& key()
{
    static const auto result = core::StreamKey::reproducible(7);
    return result;
}

std::vector<std::int64_t> draw(std::int64_t count, double rate, std::uint64_t step)
{
    const PoissonSampler sampler(count, *privacy::SamplingRate::create(rate));
    core::SecureStream stream(key(), step, 0);
    const auto drawn = sampler.draw(stream);
    return {drawn.units().begin(), drawn.units().end()};
}

// P(X <= k) for X ~ Binomial(n, p), summed in logarithms.
double binomial_at_most(std::int64_t k, std::int64_t n, double p)
{
    double sum = 0.0;
    const auto total = static_cast<double>(n);
    for (std::int64_t i = 0; i <= k; ++i) {
        const auto x = static_cast<double>(i);
        sum += std::exp(std::lgamma(total + 1) - std::lgamma(x + 1) - std::lgamma(total - x + 1)
                        + x * std::log(p) + (total - x) * std::log1p(-p));
    }
    return sum;
}

// The sizes of all draws together are one binomial: exact two-sided test at 1e-6 per rate.
TEST(Poisson, DrawsEachUnitWithItsProbabilityInTheMean)
{
    constexpr std::int64_t units = 500, steps = 200;
    for (const double rate : {0.001, 0.03, 0.4, 0.97}) {
        std::int64_t total = 0;
        for (std::uint64_t step = 0; step < steps; ++step)
            total += static_cast<std::int64_t>(draw(units, rate, step).size());
        EXPECT_GT(binomial_at_most(total, units * steps, rate), 5e-7) << rate;
        EXPECT_LT(binomial_at_most(total - 1, units * steps, rate), 1 - 5e-7) << rate;
    }
}

// Sizes of draws against Binomial(n, q), cell by cell (cells of expectation >= 20): chi-square with
// the Wilson-Hilferty approximation at z = 4.75, about 1e-6.
TEST(Poisson, HasTheSpreadOfABinomial)
{
    constexpr std::int64_t units = 40;
    constexpr double rate = 0.2;
    constexpr int steps = 20'000;
    std::vector<double> seen(units + 1, 0.0);
    for (std::uint64_t step = 0; step < steps; ++step)
        ++seen[draw(units, rate, 1'000 + step).size()];
    double statistic = 0.0, expected = 0.0, observed = 0.0;
    int cells = 0;
    for (std::int64_t k = 0; k <= units; ++k) {
        const double share =
            binomial_at_most(k, units, rate) - (k > 0 ? binomial_at_most(k - 1, units, rate) : 0.0);
        expected += share * steps;
        observed += seen[static_cast<std::size_t>(k)];
        if (expected >= 20.0) {
            statistic += (observed - expected) * (observed - expected) / expected;
            ++cells;
            expected = observed = 0.0;
        }
    }
    const double freedom = cells - 1;
    const double z =
        (std::cbrt(statistic / freedom) - (1 - 2 / (9 * freedom))) / std::sqrt(2 / (9 * freedom));
    EXPECT_LT(std::abs(z), 4.75) << statistic << " over " << cells;
}

// Each place, and each pair of neighbours, is as likely as any other: 60 places and 30 pairs at
// z = 5.2 each, together about 2e-5.
TEST(Poisson, TreatsAllPlacesAndNeighboursAlike)
{
    constexpr std::int64_t units = 60;
    constexpr double rate = 0.3;
    constexpr int steps = 20'000;
    std::vector<double> single(units, 0.0), pair(units / 2, 0.0);
    for (std::uint64_t step = 0; step < steps; ++step) {
        const auto drawn = draw(units, rate, 100'000 + step);
        for (std::size_t i = 0; i < drawn.size(); ++i) {
            ++single[static_cast<std::size_t>(drawn[i])];
            if (i > 0 && drawn[i] == drawn[i - 1] + 1 && drawn[i] % 2 == 1)
                ++pair[static_cast<std::size_t>(drawn[i] / 2)];
        }
    }
    const auto z_of = [&](double count, double p) {
        return std::abs(count - steps * p) / std::sqrt(steps * p * (1 - p));
    };
    for (const double count : single)
        EXPECT_LT(z_of(count, rate), 5.2);
    for (const double count : pair)
        EXPECT_LT(z_of(count, rate * rate), 5.2);
}

TEST(Poisson, GivesUnitsOnceAndInOrder)
{
    for (std::uint64_t step = 0; step < 100; ++step) {
        const auto drawn = draw(1000, 0.5, step);
        for (std::size_t i = 0; i < drawn.size(); ++i) {
            EXPECT_GE(drawn[i], 0);
            EXPECT_LT(drawn[i], 1000);
            if (i > 0) {
                EXPECT_LT(drawn[i - 1], drawn[i]);
            }
        }
    }
}

TEST(Poisson, TakesAllAtRateOne)
{
    EXPECT_EQ(draw(4, 1.0, 1), (std::vector<std::int64_t>{0, 1, 2, 3}));
}

// P(empty) = 0.98^10 = 0.82; 100 draws without an empty or without a full one: below 1e-70 and
// 1e-8.
TEST(Poisson, CanDrawNothing)
{
    int empty = 0;
    for (std::uint64_t step = 0; step < 100; ++step)
        empty += draw(10, 0.02, step).empty();
    EXPECT_GT(empty, 0);
    EXPECT_LT(empty, 100);
    EXPECT_TRUE(draw(0, 0.5, 1).empty());
    EXPECT_TRUE(draw(0, 1.0, 1).empty());
    EXPECT_TRUE(draw(1'000'000, 1e-300, 1).empty());
}

TEST(Poisson, DependsOnTheStreamOnly)
{
    EXPECT_EQ(draw(500, 0.1, 3), draw(500, 0.1, 3));
    EXPECT_NE(draw(500, 0.1, 3), draw(500, 0.1, 4));
}

} // namespace
} // namespace velamen::data
