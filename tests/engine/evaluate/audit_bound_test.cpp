// SPDX-License-Identifier: GPL-3.0-or-later
//
// Oracles: sums over all outcomes of few guesses, the closed form at delta 0, randomised response.

#include "engine/evaluate/audit_bound.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace velamen::evaluate {
namespace {

constexpr auto kTinyDelta = privacy::Delta::literal(1e-12);

privacy::Epsilon epsilon(double value) { return *privacy::Epsilon::create(value); }

/// P[Bin(n, p) >= k] by the definition.
double tail(int n, double p, int k)
{
    double sum = 0.0;
    for (int hits = k; hits <= n; ++hits) {
        double ways = 1.0;
        for (int i = 1; i <= hits; ++i)
            ways *= static_cast<double>(n - hits + i) / i;
        sum += ways * std::pow(p, hits) * std::pow(1.0 - p, n - hits);
    }
    return sum;
}

TEST(AuditBound, IsTheBinomialTailWithoutDelta)
{
    for (const double e : {0.0, 0.5, 1.0, 3.0})
        for (const int correct : {0, 1, 7, 12})
            EXPECT_NEAR(chance_of({100, 12, correct}, epsilon(e), kTinyDelta),
                        tail(12, 1.0 / (1.0 + std::exp(-e)), correct), 1e-9)
                << e << " " << correct;
}

TEST(AuditBound, AddsTheWorstDropThatDeltaCanHide)
{
    const double e = 1.2, delta = 1e-3;
    const int m = 50, r = 10, v = 9;
    const double q = 1.0 / (1.0 + std::exp(-e));
    double alpha = 0.0;
    for (int i = 1; i <= m; ++i) // beyond v nothing more can be gained
        alpha = std::max(alpha, (tail(r, q, std::max(0, v - i)) - tail(r, q, v)) / i);
    EXPECT_NEAR(chance_of({m, r, v}, epsilon(e), *privacy::Delta::create(delta)),
                std::min(1.0, tail(r, q, v) + 2.0 * m * delta * alpha), 1e-12);
}

TEST(AuditBound, GrowsWithEpsilonAndFallsWithCorrectGuesses)
{
    double last = 0.0;
    for (double e = 0.0; e < 6.0; e += 0.25) {
        const double chance = chance_of({10'000, 300, 270}, epsilon(e), kTinyDelta);
        EXPECT_GE(chance, last);
        last = chance;
    }
    double before = 1.0;
    for (std::int64_t v = 150; v <= 300; v += 10) {
        const double chance = chance_of({10'000, 300, v}, epsilon(1.0), kTinyDelta);
        EXPECT_LE(chance, before + 1e-12);
        before = chance;
    }
}

TEST(AuditBound, RefutesTheLargestEpsilonThatTheChanceAllows)
{
    const Guesses guesses{10'000, 1000, 900};
    const double found = refuted_epsilon(guesses, kTinyDelta, 0.05);
    EXPECT_LE(chance_of(guesses, epsilon(found), kTinyDelta), 0.05);
    EXPECT_GT(chance_of(guesses, epsilon(found + 2e-6), kTinyDelta), 0.05);
    EXPECT_LT(found, std::log(9.0)); // the odds themselves, without any doubt
    EXPECT_GT(found, std::log(9.0) - 0.3);
}

// Randomised response is exactly epsilon-private: an audit at 5 % may accuse it in 5 % of the
// cases.
TEST(AuditBound, AccusesRandomisedResponseNoMoreOftenThanItSays)
{
    const double e = 1.0, truth = 1.0 / (1.0 + std::exp(-e));
    std::mt19937_64 random(4);
    std::binomial_distribution<int> correct(500, truth);
    int accused = 0;
    for (int i = 0; i < 2000; ++i)
        accused += refuted_epsilon({500, 500, correct(random)}, kTinyDelta, 0.05) > e ? 1 : 0;
    EXPECT_LE(accused, 132); // 99.9 % quantile of Bin(2000, 0.05)
    EXPECT_GE(accused, 40);  // and it is not blind: the tail is nearly exact here
}

TEST(AuditBound, NothingIsProvedByNothing)
{
    EXPECT_EQ(refuted_epsilon({100, 50, 25}, kTinyDelta, 0.05), 0.0);
    EXPECT_EQ(chance_of({10, 20, 20}, epsilon(1.0), kTinyDelta), 1.0);
    EXPECT_EQ(chance_of({10, 5, 6}, epsilon(1.0), kTinyDelta), 1.0);
    EXPECT_EQ(chance_of({10, 0, 0}, epsilon(1.0), kTinyDelta), 1.0);
    EXPECT_EQ(chance_of({10, 5, 5}, epsilon(1e9), kTinyDelta), 1.0);
    for (const double significance : {0.0, 1.0, -1.0, std::nan("")})
        EXPECT_EQ(refuted_epsilon({100, 50, 50}, kTinyDelta, significance), 0.0);
}

} // namespace
} // namespace velamen::evaluate
