// SPDX-License-Identifier: GPL-3.0-or-later
//
// Statistical tests with proven false-alarm rates: each check here fails for an ideal generator
// with probability at most kFalseAlarm. Tests use fixed keys, so that they either hold or do not.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <span>
#include <vector>

#include <gtest/gtest.h>

namespace velamen::test {

inline constexpr double kFalseAlarm = 1e-6;

inline double phi(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

/// How far a centred sum of variance `v` and scale `c` may lie from 0 (Boucheron, Lugosi, Massart
/// 2013, section 2.4, sub-gamma variables, both sides). c is 0 for sums of normals, 1/3 for counts,
/// 1 for sums of products of two normals, 2 for sums of squares of normals.
inline double tolerance(double v, double c)
{
    const double x = -std::log(kFalseAlarm / 2.0);
    return std::sqrt(2.0 * v * x) + c * x;
}

/// A count of `n` trials that each succeed with probability `p`.
inline void expect_count(double count, double n, double p, const char* what)
{
    EXPECT_NEAR(count, n * p, tolerance(n * p * (1.0 - p), 1.0 / 3.0)) << what;
}

/// Pearson's test of counts against probabilities that sum to 1: too far from them and too close to
/// them both fail (Laurent and Massart 2000, lemma 1). Each expected count has to be above 5.
inline void expect_chi_square(std::span<const std::size_t> counts,
                              std::span<const double> probabilities, const char* what)
{
    ASSERT_EQ(counts.size(), probabilities.size());
    const auto n = static_cast<double>(std::accumulate(counts.begin(), counts.end(), 0UL));
    double statistic = 0.0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const double expected = n * probabilities[i];
        ASSERT_GT(expected, 5.0) << what << ", cell " << i;
        const double off = static_cast<double>(counts[i]) - expected;
        statistic += off * off / expected;
    }
    const double freedom = static_cast<double>(counts.size() - 1);
    const double x = -std::log(kFalseAlarm / 2.0);
    EXPECT_LT(statistic, freedom + 2.0 * std::sqrt(freedom * x) + 2.0 * x) << what;
    EXPECT_GT(statistic, freedom - 2.0 * std::sqrt(freedom * x)) << what;
}

inline void expect_equal_chances(std::span<const std::size_t> counts, const char* what)
{
    const std::vector<double> equal(counts.size(), 1.0 / static_cast<double>(counts.size()));
    expect_chi_square(counts, equal, what);
}

/// Kolmogorov-Smirnov test of a sample against a continuous distribution (Massart 1990). `slack`:
/// what a step of a distribution that is not quite continuous may add.
template <class T, class Cdf>
void expect_distribution(std::vector<T> sample, Cdf cdf, const char* what, double slack = 0.0)
{
    std::sort(sample.begin(), sample.end());
    const auto n = static_cast<double>(sample.size());
    double distance = 0.0;
    for (std::size_t i = 0; i < sample.size(); ++i) {
        const double p = cdf(static_cast<double>(sample[i]));
        distance = std::max(
            {distance, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
    }
    EXPECT_LT(distance, std::sqrt(-0.5 * std::log(kFalseAlarm / 2.0) / n) + slack) << what;
}

} // namespace velamen::test
