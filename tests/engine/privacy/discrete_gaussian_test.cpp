// SPDX-License-Identifier: GPL-3.0-or-later
//
// The discrete Gaussian against its exact probabilities. Oracles: the definition, summed term by
// term; the normal distribution where the step is far below what a sample can resolve. Fixed keys;
// each statistical check would fail for one fresh key in 1e6.

#include "engine/privacy/discrete_gaussian.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/statistics.h"

namespace velamen::privacy {
namespace {

NoiseScale scale_of(std::int64_t value) { return NoiseScale::create(value).value(); }

std::vector<std::int64_t> draw(std::int64_t scale, std::size_t count, std::uint64_t seed,
                               std::uint64_t step = 0, std::uint32_t tensor = 0)
{
    core::SecureStream stream(core::StreamKey::reproducible(seed), step, tensor);
    std::vector<std::int64_t> out(count);
    discrete_gaussians(stream, scale_of(scale), out);
    return out;
}

double weight(double x, double scale) { return std::exp(-0.5 * (x / scale) * (x / scale)); }

double total_weight(double scale)
{
    double total = 1.0;
    for (double x = 1.0; x < 40.0 * scale; ++x)
        total += 2.0 * weight(x, scale);
    return total;
}

class SmallScale : public testing::TestWithParam<std::int64_t> {};

// One cell for each integer that is expected at least 20 times, one for all beyond on either side.
TEST_P(SmallScale, HasTheExactProbabilities)
{
    constexpr std::size_t kCount = 1 << 19;
    const auto scale = static_cast<double>(GetParam());
    const double total = total_weight(scale);
    std::int64_t last = 0;
    while (kCount * weight(static_cast<double>(last + 1), scale) / total > 20.0)
        ++last;
    const auto cells = static_cast<std::size_t>(2 * last + 1);
    std::vector<double> chances(cells);
    for (std::size_t i = 0; i < cells; ++i)
        chances[i] = weight(static_cast<double>(i) - static_cast<double>(last), scale) / total;
    for (double x = static_cast<double>(last) + 1.0; x < 40.0 * scale; ++x) {
        chances.front() += weight(x, scale) / total;
        chances.back() += weight(x, scale) / total;
    }
    std::vector<std::size_t> counts(cells);
    for (const std::int64_t x : draw(GetParam(), kCount, 1))
        ++counts[static_cast<std::size_t>(std::clamp(x, -last, last) + last)];
    test::expect_chi_square(counts, chances, "integers");
}

INSTANTIATE_TEST_SUITE_P(Scales, SmallScale, testing::Values(1, 2, 3, 7, 20));

class LargeScale : public testing::TestWithParam<std::int64_t> {};

// Beside the shape: the last digits, which a sample of the shape cannot see.
TEST_P(LargeScale, HasTheShapeOfTheNormalAndEveryLastDigit)
{
    constexpr std::size_t kCount = 1 << 19;
    const auto scale = static_cast<double>(GetParam());
    const std::vector<std::int64_t> sample = draw(GetParam(), kCount, 2);
    std::vector<double> z(kCount);
    std::vector<std::size_t> digits(8), signs(2), pairs(64);
    double sum = 0.0, squares = 0.0;
    const auto cell = [](double x) {
        return std::min(7UL, static_cast<std::size_t>(test::phi(x) * 8));
    };
    for (std::size_t i = 0; i < kCount; ++i) {
        z[i] = static_cast<double>(sample[i]) / scale;
        sum += z[i];
        squares += z[i] * z[i];
        ++digits[static_cast<std::size_t>(sample[i] & 7)];
        if (sample[i] != 0) ++signs[sample[i] > 0 ? 1 : 0];
        if (i > 0) ++pairs[8 * cell(z[i - 1]) + cell(z[i])];
    }
    test::expect_distribution(z, test::phi, "shape", 0.5 / scale);
    test::expect_equal_chances(digits, "last digits");
    test::expect_equal_chances(signs, "signs");
    test::expect_equal_chances(pairs, "neighbours");
    EXPECT_NEAR(sum, 0.0, test::tolerance(kCount, 0.0));
    EXPECT_NEAR(squares, kCount, test::tolerance(2.0 * kCount, 2.0));
    for (const double level : {2.0, 3.0, 4.0}) {
        const auto beyond = [level](double x) { return std::abs(x) >= level; };
        test::expect_count(static_cast<double>(std::count_if(z.begin(), z.end(), beyond)), kCount,
                           2.0 * test::phi(-level), "tails");
    }
}

INSTANTIATE_TEST_SUITE_P(Scales, LargeScale,
                         testing::Values(1'000'000, 1'234'567'891, std::int64_t{1} << 50));

TEST(DiscreteGaussian, StreamsOfDifferentStepsAndTensorsAreUncorrelated)
{
    std::vector<std::vector<std::int64_t>> streams;
    for (const std::uint64_t seed : {1U, 2U})
        for (const std::uint64_t step : {0U, 1U})
            for (const std::uint32_t tensor : {0U, 1U})
                streams.push_back(draw(1000, 5000, seed, step, tensor));
    for (std::size_t a = 0; a < streams.size(); ++a)
        for (std::size_t b = 0; b < a; ++b) {
            double sum = 0.0;
            for (std::size_t i = 0; i < streams[a].size(); ++i)
                sum += 1e-6 * static_cast<double>(streams[a][i] * streams[b][i]);
            EXPECT_NEAR(sum, 0.0, test::tolerance(5000.0, 1.0)) << a << " " << b;
        }
}

TEST(DiscreteGaussian, IsTheSameForTheSameStream)
{
    EXPECT_EQ(draw(1000, 100, 3, 4, 5), draw(1000, 100, 3, 4, 5));
}

TEST(DiscreteGaussian, HasNoScaleBelowOneOrBeyondItsIntegers)
{
    for (const std::int64_t bad :
         {std::int64_t{0}, std::int64_t{-1}, (std::int64_t{1} << 50) + 1,
          std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
        const auto made = NoiseScale::create(bad);
        ASSERT_FALSE(made) << bad;
        EXPECT_EQ(made.error().code, ErrorCode::InvalidArgument);
    }
}

} // namespace
} // namespace velamen::privacy
