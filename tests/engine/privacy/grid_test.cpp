// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grid of the hardened release: its sensitivity for hostile contributions, its sums, its noise.
// Oracle: slow obvious loops over integers of 128 bits.

#include "engine/privacy/grid.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace velamen::privacy {
namespace {

__extension__ using Wide = __int128;

using Floats = std::vector<float>;
using Integers = std::vector<std::int64_t>;

constexpr auto kUnit = ClippingNorm::literal(1.0);

Grid grid_of(std::size_t dimensions, std::int64_t steps, ClippingNorm clip = kUnit)
{
    return Grid::create(clip, static_cast<std::int64_t>(dimensions), steps).value();
}

Result<> add(GridSum& sum, const Grid& grid, const Floats& values)
{
    GridContribution contribution = GridContribution::create(grid).value();
    contribution.set(values);
    return sum.add(contribution);
}

/// A hardened step that was charged with this much noise, from a ledger of its own.
SpentStep spent(double noise = 1.0, bool is_hardened = true)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    return ledger
        ->reserve("run", 1, "image", Neighbours::ZeroOut,
                  TrainingSteps{.is_hardened = is_hardened,
                                .rate = 0.5,
                                .noise_gradient = noise,
                                .noise_effective = noise,
                                .steps = 1})
        ->take();
}

Integers rounded(const Grid& grid, const Floats& contribution)
{
    Integers out(contribution.size(), -1);
    grid.round(contribution, out);
    return out;
}

Wide squares(const Integers& values)
{
    Wide total = 0;
    for (const std::int64_t value : values)
        total += Wide{value} * Wide{value};
    return total;
}

bool is_within(const Grid& grid, const Floats& contribution)
{
    return squares(rounded(grid, contribution)) <= Wide{grid.steps()} * Wide{grid.steps()};
}

core::SecureStream stream_of(std::uint64_t step)
{
    return core::SecureStream(core::StreamKey::reproducible(21), step, 0);
}

// Values around one half of a step, where each rounding goes up, on grids whose room is small.
TEST(Grid, KeepsTheNormForRoundingsThatAllGoUp)
{
    for (const std::size_t dimensions : {1U, 2U, 3U, 4U, 15U, 16U, 100U, 1023U, 4096U})
        for (const std::int64_t steps : {1, 2, 3, 4, 8, 17, 32, 33, 63, 64, 65, 1000})
            for (const double in_steps : {0.49, 0.5, 0.500001, 1.0, 1.5, 2.5, 1e6}) {
                const auto grid = Grid::create(kUnit, static_cast<std::int64_t>(dimensions), steps);
                if (!grid) continue; // too coarse
                Floats same(dimensions, static_cast<float>(in_steps / static_cast<double>(steps)));
                ASSERT_TRUE(is_within(*grid, same))
                    << dimensions << " " << steps << " " << in_steps;
                for (std::size_t i = 0; i < dimensions; i += 2)
                    same[i] *= -1.0000001F;
                ASSERT_TRUE(is_within(*grid, same))
                    << dimensions << " " << steps << " " << in_steps;
            }
}

// Here clipping in floating point alone breaks the norm: the floating sum of D equal squares comes
// out too small, and every element lands just above n + 1/2 with sqrt(D) (n + 1) > G.
TEST(Grid, KeepsTheNormWhereFloatingPointExceedsIt)
{
    struct Hostile {
        std::size_t dimensions;
        std::int64_t steps;
    };
    for (const auto& [dimensions, steps] :
         {Hostile{132'581, 1'416'050}, Hostile{168'482, 1'473'161}, Hostile{177'433, 1'572'444},
          Hostile{183'097, 1'532'304}})
        EXPECT_TRUE(is_within(grid_of(dimensions, steps), Floats(dimensions, 0.123F)))
            << dimensions;
}

TEST(Grid, KeepsTheNormForEverySizeOfValue)
{
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (const std::size_t dimensions : {1U, 2U, 50U, 3000U})
        for (const std::int64_t steps : {std::int64_t{40}, Grid::kSteps, std::int64_t{1} << 40})
            for (const double clip : {1e-30, 1e-3, 1.0, 1e30}) {
                const Grid grid = grid_of(dimensions, steps, ClippingNorm::create(clip).value());
                for (const float size : {0.0F, 1e-45F, 1e-38F, 1e-3F, 1.0F, 1e10F, 1e38F}) {
                    Floats values(dimensions);
                    for (float& value : values)
                        value = size * std::clamp(normal(random), -3.0F, 3.0F);
                    ASSERT_TRUE(is_within(grid, values))
                        << dimensions << " " << steps << " " << size;
                    Floats one(dimensions, 0.0F);
                    one.back() = -3.4F * size;
                    ASSERT_TRUE(is_within(grid, one)) << dimensions << " " << steps << " " << size;
                }
            }
}

TEST(Grid, LeavesShortContributionsAsTheyAreButForHalfAStep)
{
    const Grid grid = grid_of(4, 1000, ClippingNorm::literal(2.0));
    const Floats values{0.5F, -0.3F, 0.0011F, 1.0F};
    const Integers steps = rounded(grid, values);
    for (std::size_t i = 0; i < values.size(); ++i)
        EXPECT_NEAR(static_cast<double>(steps[i]) * grid.step(), values[i], 0.5001 * grid.step());
}

TEST(Grid, ClipsLongContributionsToAlmostTheNormInTheirDirection)
{
    const Grid grid = grid_of(2, Grid::kSteps, ClippingNorm::literal(0.5));
    const Integers steps = rounded(grid, {3e5F, -4e5F});
    EXPECT_NEAR(static_cast<double>(steps[0]), 0.6e9, 2.0);
    EXPECT_NEAR(static_cast<double>(steps[1]), -0.8e9, 2.0);
}

TEST(Grid, TakesNothingFromContributionsThatAreNotFinite)
{
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()})
        EXPECT_EQ(rounded(grid_of(3, 1000), {0.1F, bad, 0.2F}), (Integers{0, 0, 0}));
}

TEST(Grid, RefusesWhatItCannotHold)
{
    struct Bad {
        double clip;
        std::int64_t dimensions, steps;
    };
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    for (const auto& [clip, dimensions, steps] :
         {Bad{1.0, 0, 1000}, Bad{1.0, -1, 1000}, Bad{1.0, (1LL << 30) + 1, 1000},
          Bad{1.0, kMost, 1000}, Bad{1.0, 1, 0}, Bad{1.0, 1, -5}, Bad{1.0, 1, (1LL << 40) + 1},
          Bad{1.0, 1, kMost}, Bad{1e-31, 1, 1000}, Bad{1e31, 1, 1000}, Bad{1.0, 4, 1},
          Bad{1.0, 4'000'000, 1000}}) {
        const auto made = Grid::create(ClippingNorm::create(clip).value(), dimensions, steps);
        ASSERT_FALSE(made) << clip << " " << dimensions << " " << steps;
        EXPECT_EQ(made.error().code, ErrorCode::InvalidArgument);
        EXPECT_FALSE(made.error().hint.empty());
    }
    EXPECT_TRUE(Grid::create(kUnit, 3, 1)); // sqrt(3) / 2 < 1
}

// Oracle: sigma = m 2^e exactly; noise of fewer than sigma G steps would be a wrong epsilon.
TEST(GridNoise, IsNeverLessThanSigmaSteps)
{
    const Grid grid = grid_of(1, Grid::kSteps);
    for (const double sigma : {1e-12, 0.1, 1.0 / 3.0, 0.7, 1.0, 1.1, 4.530877117, 1000.0, 1e6}) {
        const auto noise =
            GridNoise::draw(grid, NoiseMultiplier::create(sigma).value(), stream_of(0));
        ASSERT_TRUE(noise);
        int exponent = 0;
        const double fraction = std::frexp(sigma, &exponent); // sigma = fraction 2^exponent
        const auto mantissa = static_cast<std::int64_t>(fraction * 0x1p53);
        const Wide product = Wide{mantissa} * Wide{grid.steps()}; // sigma G = product 2^(e - 53)
        const int shift = 53 - exponent;
        const Wide one = 1;
        const Wide least = (product + (one << shift) - 1) >> shift;
        EXPECT_GE(Wide{noise->scale().value()}, least) << sigma;
        EXPECT_LE(Wide{noise->scale().value()}, least + 1) << sigma;
    }
}

TEST(GridNoise, RefusesASigmaBeyondItsIntegers)
{
    for (const double sigma : {1.2e6, 1e300, std::numeric_limits<double>::max()}) {
        const auto noise = GridNoise::draw(grid_of(1, Grid::kSteps),
                                           NoiseMultiplier::create(sigma).value(), stream_of(0));
        ASSERT_FALSE(noise) << sigma;
        EXPECT_EQ(noise.error().code, ErrorCode::InvalidArgument);
    }
}

TEST(GridSum, IsTheSlowSumOfIntegersPlusTheNoise)
{
    constexpr std::size_t kDimensions = 700;
    const Grid grid = grid_of(kDimensions, Grid::kSteps, ClippingNorm::literal(0.25));
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    GridSum sum = GridSum::create(grid).value();
    std::vector<Wide> slow(kDimensions);
    for (int unit = 0; unit < 100; ++unit) {
        Floats values(kDimensions);
        for (float& value : values)
            value = normal(random) * (unit % 3 == 0 ? 1e-3F : 10.0F);
        if (unit == 50) values[7] = std::numeric_limits<float>::quiet_NaN();
        ASSERT_TRUE(add(sum, grid, values));
        const Integers steps = rounded(grid, values);
        for (std::size_t i = 0; i < kDimensions; ++i)
            slow[i] += steps[i];
    }
    const auto sigma = NoiseMultiplier::literal(1.3);
    GridNoise noise = GridNoise::draw(grid, sigma, stream_of(5)).value();
    Integers same_noise(kDimensions);
    auto same_stream = stream_of(5);
    discrete_gaussians(same_stream, noise.scale(), same_noise);
    Floats out(kDimensions);
    std::move(sum).release(std::move(noise), spent(), out);
    for (std::size_t i = 0; i < kDimensions; ++i) {
        const double exact = static_cast<double>(slow[i] + same_noise[i]) * (0.25 / 1e9);
        EXPECT_EQ(out[i], static_cast<float>(exact)) << i;
    }
}

TEST(GridSum, OfNoUnitsReleasesNoiseAlone)
{
    const Grid grid = grid_of(3, 1000);
    GridNoise noise = GridNoise::draw(grid, NoiseMultiplier::literal(2.0), stream_of(6)).value();
    Integers same_noise(3);
    auto same_stream = stream_of(6);
    discrete_gaussians(same_stream, noise.scale(), same_noise);
    Floats out(3);
    GridSum::create(grid).value().release(std::move(noise), spent(), out);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(out[i], static_cast<float>(static_cast<double>(same_noise[i]) * 1e-3));
}

// 2^22 units of 2^40 steps each fill the sum to 2^62, the last place; noise still fits above.
TEST(GridSum, RefusesTheUnitThatCouldOverflowIt)
{
    constexpr std::int64_t kSteps = std::int64_t{1} << 40;
    const Grid grid = grid_of(1, kSteps);
    GridSum sum = GridSum::create(grid).value();
    const Floats largest{1e30F};
    for (int unit = 0; unit < 1 << 22; ++unit)
        ASSERT_TRUE(add(sum, grid, largest));
    const auto refused = add(sum, grid, largest);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    GridNoise noise = GridNoise::draw(grid, NoiseMultiplier::literal(1000.0), stream_of(7)).value();
    Floats out(1);
    std::move(sum).release(std::move(noise), spent(), out);
    EXPECT_NEAR(out[0], 0x1p22, 1e4);
}

TEST(GridSum, IsReleasedOnceAndOnlyWithNoiseOfItsGrid)
{
    GTEST_FLAG_SET(death_test_style, "threadsafe"); // keys do not outlive a fork
    const Grid grid = grid_of(2, 1000);
    const Grid coarse = grid_of(2, 10);
    const auto noise = [](const Grid& of) {
        return GridNoise::draw(of, NoiseMultiplier::literal(1.0), stream_of(8)).value();
    };
    Floats out(2);
    EXPECT_DEATH(GridSum::create(grid).value().release(noise(coarse), spent(), out),
                 "grid_ == grid_");
    GridNoise once = noise(grid);
    GridSum::create(grid).value().release(std::move(once), spent(), out);
    EXPECT_DEATH(GridSum::create(grid).value().release(std::move(once), spent(), out), // NOLINT
                 "values_.size\\(\\) == sum.size\\(\\)");
    GridSum sum = GridSum::create(grid).value();
    std::move(sum).release(noise(grid), spent(), out);
    EXPECT_DEATH(std::move(sum).release(noise(grid), spent(), out), "!sum.empty"); // NOLINT
    EXPECT_DEATH(static_cast<void>(add(sum, grid, out)), "!sum_.empty");           // NOLINT
    EXPECT_DEATH(GridSum::create(grid).value().release(noise(grid), spent(1.01), out), "sigma");
    EXPECT_DEATH(GridSum::create(grid).value().release(noise(grid), spent(1.0, false), out),
                 "is_hardened");
    SpentStep step = spent();
    GridSum::create(grid).value().release(noise(grid), std::move(step), out);
    EXPECT_DEATH(GridSum::create(grid).value().release(noise(grid), std::move(step), out), // NOLINT
                 "is_live");
}

} // namespace
} // namespace velamen::privacy
