// SPDX-License-Identifier: GPL-3.0-or-later
//
// Noisy statistics: what one unit can move, the noise that was charged, and what comes out.
// Oracles: integers of 128 bits for the sensitivity, slow loops over the plain formulas, the words
// of the noise stream and moments and tails of the distributions.

#include "engine/privacy/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/privacy/totals.h"
#include "tests/engine/privacy/parts.h"

namespace velamen::privacy {

struct StatisticsSeam {
    static const std::vector<std::int64_t>& sums(const MomentSum& sum) { return sum.sums_; }
    static const std::vector<std::int64_t>& sums(const VoteSum& sum) { return sum.sums_; }
};

namespace {

using testing::Rights;

__extension__ using Wide = __int128;

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr auto kUnit = ClippingNorm::literal(1.0);
constexpr Wide kOne = Wide{1} << 36; // the grid's steps of 1

NoiseMultiplier noise_of(double sigma) { return NoiseMultiplier::create(sigma).value(); }

MomentSum moment_sum(std::int64_t dimensions, std::int64_t units = 1, ClippingNorm clip = kUnit,
                     double share = 0.5)
{
    return MomentSum::create({clip, dimensions, units, share}).value();
}

VoteSum vote_sum(std::int64_t bins) { return VoteSum::create(bins).value(); }

Floats random_row(std::mt19937& random, std::int64_t size, float scale)
{
    std::normal_distribution<float> normal;
    Floats row(static_cast<std::size_t>(size));
    for (float& value : row)
        value = scale * std::clamp(normal(random), -3.0F, 3.0F);
    return row;
}

Wide squares(const Integers& values)
{
    Wide total = 0;
    for (const std::int64_t value : values)
        total += Wide{value} * value;
    return total;
}

Wide sizes(const Integers& values)
{
    Wide total = 0;
    for (const std::int64_t value : values)
        total += value < 0 ? -value : value;
    return total;
}

template <class Sum>
Integers sums_after(Sum sum, const Floats& rows)
{
    EXPECT_TRUE(sum.add(rows));
    return StatisticsSeam::sums(sum);
}

// Oracle: the norm in exact integers. Long units reach 1 but for the margin of clipping.
TEST(MomentSum, IsMovedByOneAtMost)
{
    std::mt19937 random(1);
    for (const std::int64_t d : {1, 2, 3, 16, 100, 512})
        for (const double clip : {1e-30, 1e-3, 1.0, 1e30})
            for (const double share : {0.001, 0.5, 0.999})
                for (const float scale : {0.0F, 1e-45F, 1e-38F, 1e-3F, 1.0F, 1e10F, 1e38F}) {
                    const auto empty = [&] {
                        return moment_sum(d, 1, ClippingNorm::create(clip).value(), share);
                    };
                    Floats one(static_cast<std::size_t>(d), 0.0F);
                    one.back() = -3.4F * scale;
                    const Floats same(static_cast<std::size_t>(d), scale);
                    for (const Floats& unit : {random_row(random, d, scale), one, same}) {
                        const Wide norm = squares(sums_after(empty(), unit));
                        ASSERT_LE(norm, kOne * kOne) << d << ' ' << clip << ' ' << scale;
                        const bool is_long = unit == same && scale > 1e10 * clip;
                        ASSERT_GT(norm, is_long ? kOne / 1000 * 999 * kOne : -1)
                            << d << ' ' << scale;
                    }
                }
}

// Without one unit, and with its values made zero, at every place of random sets.
TEST(MomentSum, OfNeighboursDiffersByTheUnitAlone)
{
    std::mt19937 random(2);
    constexpr std::int64_t kDimensions = 4;
    for (int set = 0; set < 200; ++set) {
        std::vector<Floats> units;
        for (int i = 0; i < 20; ++i)
            units.push_back(
                random_row(random, kDimensions, std::exp(0.4F * static_cast<float>(i - 12))));
        const auto joined = [&] {
            Floats all;
            for (const Floats& unit : units)
                all.insert(all.end(), unit.begin(), unit.end());
            return sums_after(moment_sum(kDimensions), all);
        };
        std::shuffle(units.begin(), units.end(), random);
        const Integers whole = joined();
        const Floats chosen = units.back();
        std::ranges::fill(units.back(), 0.0F);
        const Integers zeroed = joined();
        units.pop_back();
        std::shuffle(units.begin(), units.end(), random);
        EXPECT_EQ(joined(), zeroed);
        Integers difference = whole;
        for (std::size_t i = 0; i < difference.size(); ++i)
            difference[i] -= zeroed[i];
        EXPECT_EQ(difference, sums_after(moment_sum(kDimensions), chosen));
        EXPECT_LE(squares(difference), kOne * kOne);
    }
}

TEST(MomentSum, TakesNothingFromUnitsThatAreNotFinite)
{
    for (const float bad : {kInfinity, -kInfinity, kNan}) {
        const Floats good{0.1F, 0.5F, -0.2F};
        Floats both = good;
        both.insert(both.end(), {0.3F, bad, 0.1F});
        EXPECT_EQ(sums_after(moment_sum(3), both), sums_after(moment_sum(3), good));
    }
}

/// Mean and covariance of clipped rows by a loop, with `noise` added to each sum over units.
FeatureMoments slow_moments(const std::vector<Floats>& units, const MomentSettings& settings,
                            const std::function<double()>& noise)
{
    const auto d = static_cast<std::size_t>(settings.dimensions);
    const double clip = settings.clip.value();
    const auto count = static_cast<double>(settings.public_units);
    Doubles mean(d), second(d * d);
    for (const Floats& unit : units) {
        long double norm = 0.0;
        for (const float value : unit)
            norm += static_cast<long double>(value) * value;
        const auto factor = static_cast<double>(std::min(1.0L, clip / std::sqrt(norm)));
        for (std::size_t i = 0; i < d; ++i) {
            mean[i] += factor * unit[i] / count;
            for (std::size_t j = 0; j < d; ++j)
                second[i * d + j] += factor * factor * unit[i] * unit[j] / count;
        }
    }
    for (double& value : mean)
        value += noise() * clip / std::sqrt(settings.mean_share) / count;
    for (std::size_t i = 0; i < d; ++i)
        for (std::size_t j = i; j < d; ++j) {
            const double each =
                noise() * clip * clip / std::sqrt(1.0 - settings.mean_share) / count;
            second[i * d + j] += i == j ? each : each / std::sqrt(2.0);
            second[j * d + i] = second[i * d + j];
        }
    for (std::size_t i = 0; i < d; ++i)
        for (std::size_t j = 0; j < d; ++j)
            second[i * d + j] -= mean[i] * mean[j];
    return {mean, second, settings.dimensions};
}

void expect_near(const Doubles& values, const Doubles& expected, double tolerance)
{
    ASSERT_EQ(values.size(), expected.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        ASSERT_NEAR(values[i], expected[i], tolerance) << i;
}

std::vector<Floats> some_units(std::int64_t dimensions)
{
    std::mt19937 random(3);
    std::vector<Floats> units;
    for (int i = 0; i < 400; ++i) {
        units.push_back(random_row(random, dimensions, i % 4 == 0 ? 3.0F : 0.5F));
        units.back()[0] += 0.5F;
    }
    return units;
}

FeatureMoments released(const std::vector<Floats>& units, const MomentSettings& settings,
                        double sigma, Rights& rights)
{
    MomentSum sum = MomentSum::create(settings).value();
    for (const Floats& unit : units)
        EXPECT_TRUE(sum.add(unit));
    return std::move(sum)
        .release(rights.reserve(moments_charge(noise_of(sigma))), rights.key())
        .value();
}

// About a quarter of the units is clipped; the divisor is the public number, not theirs.
TEST(FeatureMoments, AreThePlainFormulasWhereNoiseIsTiny)
{
    Rights rights;
    for (const double share : {0.1, 0.5, 0.9})
        for (const std::int64_t count : {400, 430}) {
            const MomentSettings settings{ClippingNorm::literal(3.0), 5, count, share};
            const auto units = some_units(5);
            const FeatureMoments moments = released(units, settings, 1e-9, rights);
            const FeatureMoments slow = slow_moments(units, settings, [] { return 0.0; });
            EXPECT_EQ(moments.dimensions, 5);
            expect_near(moments.mean, slow.mean, 1e-8);
            expect_near(moments.covariance, slow.covariance, 1e-7);
        }
}

// Noise that leaves all eigenvalues above zero, in the order of the stream's words.
TEST(FeatureMoments, HaveTheNoiseOfTheirLineOnEverySum)
{
    Rights rights;
    const MomentSettings settings{ClippingNorm::literal(3.0), 6, 410, 0.3};
    const auto units = some_units(6);
    for (const std::uint64_t line : {0, 1}) {
        const FeatureMoments moments = released(units, settings, 2.0, rights);
        core::SecureStream stream(rights.key(), line, 0xFFFFFFFDU);
        const FeatureMoments slow =
            slow_moments(units, settings, [&] { return 2.0 * stream.normal(); });
        expect_near(moments.mean, slow.mean, 1e-8);
        expect_near(moments.covariance, slow.covariance, 1e-7);
    }
}

// 6400 samples of a fixed stream; a variance 9 % off has odds of 6 in 10 million (5 deviations).
TEST(FeatureMoments, HaveTheDeviationThatWasCharged)
{
    Rights rights;
    const MomentSettings settings{ClippingNorm::literal(0.5), 64, 10, 0.25};
    double total = 0.0, square = 0.0;
    for (int line = 0; line < 100; ++line)
        for (const double mean : released({}, settings, 7.0, rights).mean) {
            const double z = mean / (7.0 * 0.5 / (0.5 * 10.0));
            total += z;
            square += z * z;
        }
    EXPECT_NEAR(square / 6400.0, 1.0, 5.0 * std::sqrt(2.0 / 6400.0));
    EXPECT_NEAR(total / 6400.0, 0.0, 5.0 / std::sqrt(6400.0));
}

/// Whether a symmetric matrix has no eigenvalue below -slack, by elimination.
bool is_positive(Doubles a, std::size_t n, double slack)
{
    for (std::size_t i = 0; i < n; ++i)
        a[i * n + i] += slack;
    for (std::size_t k = 0; k < n; ++k) {
        if (!(a[k * n + k] > 0.0)) return false;
        for (std::size_t i = k + 1; i < n; ++i)
            for (std::size_t j = k + 1; j < n; ++j)
                a[i * n + j] -= a[i * n + k] * a[k * n + j] / a[k * n + k];
    }
    return true;
}

TEST(FeatureMoments, AreSymmetricAndPositiveUnderAnyNoise)
{
    Rights rights;
    for (const std::size_t d : {1U, 2U, 16U, 64U})
        for (const double sigma : {1e-12, 1.0, 1e3, 0x1p20})
            for (const double clip : {1e-30, 1.0, 1e30}) {
                const MomentSettings settings{ClippingNorm::create(clip).value(),
                                              static_cast<std::int64_t>(d), 1};
                const FeatureMoments moments =
                    released(some_units(settings.dimensions), settings, sigma, rights);
                double trace = 0.0;
                for (std::size_t i = 0; i < d; ++i)
                    for (std::size_t j = 0; j < d; ++j) {
                        const double value = moments.covariance[i * d + j];
                        ASSERT_TRUE(std::isfinite(value));
                        ASSERT_EQ(value, moments.covariance[j * d + i]);
                        if (i == j) trace += value;
                    }
                EXPECT_TRUE(trace == 0.0 || is_positive(moments.covariance, d, 1e-12 * trace))
                    << d << ' ' << sigma << ' ' << clip;
            }
}

TEST(FeatureMoments, OfTwoLinesDiffer)
{
    Rights rights;
    const MomentSettings settings{kUnit, 3, 10};
    const auto first = released(some_units(3), settings, 1.0, rights);
    const auto second = released(some_units(3), settings, 1.0, rights);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_NE(first.mean[i], second.mean[i]);
}

TEST(MomentSum, RefusesSettingsOutOfRange)
{
    for (const auto& [clip, d, units, share] :
         {std::tuple{1.0, 0L, 1L, 0.5},
          {1.0, -1L, 1L, 0.5},
          {1.0, 513L, 1L, 0.5},
          {1.0, std::numeric_limits<long>::max(), 1L, 0.5},
          {1.0, 2L, 0L, 0.5},
          {1.0, 2L, -5L, 0.5},
          {1e-31, 2L, 1L, 0.5},
          {1e31, 2L, 1L, 0.5},
          {1.0, 2L, 1L, 0.0},
          {1.0, 2L, 1L, 1.0},
          {1.0, 2L, 1L, -0.5},
          {1.0, 2L, 1L, std::numeric_limits<double>::quiet_NaN()}}) {
        const auto made = MomentSum::create({ClippingNorm::create(clip).value(), d, units, share});
        ASSERT_FALSE(made) << clip << ' ' << d << ' ' << units << ' ' << share;
        EXPECT_EQ(made.error().code, ErrorCode::InvalidArgument);
        EXPECT_FALSE(made.error().message.empty());
        EXPECT_FALSE(made.error().hint.empty());
    }
    for (const double none : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()})
        EXPECT_FALSE(ClippingNorm::create(none));
    EXPECT_TRUE(MomentSum::create({kUnit, 512, std::numeric_limits<std::int64_t>::max(), 0.999}));
}

TEST(MomentSum, RefusesRowsThatAreNotWholeAndTakesNoneOfThem)
{
    MomentSum sum = moment_sum(3);
    const auto added = sum.add(Floats{1.0F, 0.0F, 0.0F, 1.0F});
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, ErrorCode::InvalidArgument);
    EXPECT_EQ(squares(StatisticsSeam::sums(sum)), 0);
    EXPECT_TRUE(sum.add(Floats{}));
}

// 2^26 units of 2^36 steps fill a sum to 2^62; the largest noise still fits beside it.
TEST(Statistics, RefuseTheUnitThatCouldOverflowTheirSum)
{
    Rights rights;
    VoteSum votes = vote_sum(1);
    MomentSum moments = moment_sum(1, 1, kUnit, 0.999);
    const Floats ones(1 << 20, 1.0F);
    for (int part = 0; part < 64; ++part) {
        ASSERT_TRUE(moments.add(ones));
        ASSERT_TRUE(part == 0 || votes.add(ones).has_value());
    }
    for (int unit = 0; unit < 1 << 20; ++unit)
        ASSERT_TRUE(votes.add_vote(0));
    EXPECT_EQ(moments.add(Floats{1.0F}).error().code, ErrorCode::Refused);
    EXPECT_EQ(votes.add(Floats{1.0F}).error().code, ErrorCode::Refused);
    EXPECT_EQ(votes.add_vote(0).error().code, ErrorCode::Refused);
    const auto charge = votes_charge(LaplaceNoise{noise_of(0x1p20)});
    const auto counts = std::move(votes).release(rights.reserve(charge), rights.key());
    ASSERT_TRUE(counts);
    EXPECT_NEAR(counts->at(0), 0x1p26, 36.8 * 0x1p20);
    const auto released =
        std::move(moments).release(rights.reserve(moments_charge(noise_of(0x1p20))), rights.key());
    ASSERT_TRUE(released);
    EXPECT_NEAR(released->mean.at(0), 0x1p26, 8.6 * 0x1p20);
}

std::vector<NoisyRelease> wrong_charges()
{
    const SubsampledGaussian step{SamplingRate::literal(1.0), noise_of(2.0)};
    NoisyRelease twice = moments_charge(noise_of(2.0));
    twice.times = 2;
    return {twice,
            {"feature_moments", Guarantee{Epsilon::literal(1.0), 0.0}, 1},
            {"feature_moments", BestOfRuns{step, Steps::literal(3), {2.0, 1.0}}, 1},
            moments_charge(noise_of(1.1e6)),
            moments_charge(noise_of(std::numeric_limits<double>::max()))};
}

template <class Sum>
void expect_no_right(Rights& rights, Sum& sum, const NoisyRelease& charge)
{
    SpentRelease right = rights.reserve(charge);
    const auto refused = std::move(sum).release(std::move(right), rights.key());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::InvalidArgument);
    EXPECT_FALSE(refused.error().message.empty());
    EXPECT_FALSE(refused.error().hint.empty());
    EXPECT_TRUE(right.is_live()); // NOLINT: nothing was released
}

TEST(Statistics, RefuseRightsOfOtherReleasesAndLeaveThem)
{
    Rights rights;
    MomentSum moments = moment_sum(2);
    VoteSum votes = vote_sum(2);
    for (const NoisyRelease& charge : wrong_charges()) {
        expect_no_right(rights, moments, charge);
        expect_no_right(rights, votes, charge);
    }
    expect_no_right(rights, moments, votes_charge(LaplaceNoise{noise_of(2.0)}));
    const auto right = moments_charge(noise_of(2.0));
    EXPECT_TRUE(std::move(moments).release(rights.reserve(right), rights.key()));
    EXPECT_TRUE(std::move(votes).release(rights.reserve(right), rights.key()));
}

TEST(Statistics, UseUpTheirRightAndTheirSum)
{
    GTEST_FLAG_SET(death_test_style, "threadsafe"); // keys do not outlive a fork
    Rights rights;
    SpentRelease right = rights.reserve(votes_charge(noise_of(1.0)));
    VoteSum votes = vote_sum(2);
    ASSERT_TRUE(std::move(votes).release(std::move(right), rights.key()));
    const auto again = [&] { return rights.reserve(votes_charge(noise_of(1.0))); };
    const auto use = [](const auto& result) { static_cast<void>(result); };
    EXPECT_DEATH(use(vote_sum(2).release(std::move(right), rights.key())), // NOLINT
                 "right.is_live");
    EXPECT_DEATH(use(moment_sum(2).release(std::move(right), rights.key())), // NOLINT
                 "right.is_live");
    EXPECT_DEATH(use(std::move(votes).release(again(), rights.key())), "sums_.empty"); // NOLINT
    EXPECT_DEATH(use(votes.add_vote(0)), "sums_.empty");                               // NOLINT
    MomentSum moments = moment_sum(2);
    ASSERT_TRUE(std::move(moments).release(again(), rights.key()));
    EXPECT_DEATH(use(std::move(moments).release(again(), rights.key())), "sums_.empty"); // NOLINT
    EXPECT_DEATH(use(moments.add({})), "sums_.empty");                                   // NOLINT
}

// Oracle: the exact Gaussian (Balle and Wang 2018, theorem 8), pure epsilon of Laplace noise.
TEST(Statistics, AreInTheLedgerAndInItsTotal)
{
    Rights rights;
    constexpr auto kDelta = Delta::literal(1e-5);
    const double sigma = 20.0;
    static_cast<void>(released(some_units(2), {kUnit, 2, 400}, sigma, rights));
    EXPECT_THAT(rights.ledger().text(),
                ::testing::HasSubstr(
                    R"("event":{"type":"gaussian","purpose":"feature_moments","noise":20.0,)"));
    const Total one = total_of(rights.ledger().entries(), {}, kDelta).value();
    EXPECT_EQ(one.releases, 1);
    const double e = one.epsilon.value(), half = 1.0 / (2.0 * sigma);
    const auto phi = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
    const double exact = phi(half - e * sigma) - std::exp(e) * phi(-half - e * sigma);
    EXPECT_LE(exact, kDelta.value());
    EXPECT_GE(exact, 0.98 * kDelta.value());

    const auto right = rights.reserve(votes_charge(LaplaceNoise{noise_of(10.0)}));
    EXPECT_EQ(right.line(), 1);
    EXPECT_THAT(
        rights.ledger().text(),
        ::testing::HasSubstr(R"("event":{"type":"laplace","purpose":"class_votes","scale":10.0,)"));
    const Total both = total_of(rights.ledger().entries(), {}, kDelta).value();
    EXPECT_EQ(both.releases, 2);
    EXPECT_GT(both.epsilon, one.epsilon);
    EXPECT_LE(both.epsilon.value(), e + 0.1 + 1e-9);
}

TEST(VoteSum, IsMovedByOneAtMost)
{
    std::mt19937 random(4);
    for (const std::int64_t bins : {1, 2, 10, 1000, 100'000})
        for (const float scale : {0.0F, 1e-45F, 1e-6F, 0.1F, 0.999999F, 1.0F, 1e10F, 1e38F}) {
            Floats positive = random_row(random, bins, scale);
            for (float& vote : positive)
                vote = std::abs(vote);
            Floats even(static_cast<std::size_t>(bins), 1.0F / static_cast<float>(bins));
            Floats one(static_cast<std::size_t>(bins), 0.0F);
            one.front() = scale;
            for (const Floats& unit : {positive, even, one}) {
                const Wide size = sizes(sums_after(vote_sum(bins), unit));
                ASSERT_LE(size, kOne) << bins << ' ' << scale;
            }
        }
    VoteSum hard = vote_sum(3);
    ASSERT_TRUE(hard.add_vote(1));
    EXPECT_EQ(StatisticsSeam::sums(hard), (Integers{0, static_cast<std::int64_t>(kOne), 0}));
}

TEST(VoteSum, TakesNothingFromVotesThatAreNone)
{
    for (const float bad : {-0.1F, -kInfinity, kInfinity, kNan})
        EXPECT_EQ(sizes(sums_after(vote_sum(3), {0.5F, bad, 0.2F})), 0) << bad;
    VoteSum sum = vote_sum(3);
    for (const std::int64_t outside :
         {std::int64_t{-1}, std::int64_t{3}, std::numeric_limits<std::int64_t>::min(),
          std::numeric_limits<std::int64_t>::max()})
        EXPECT_TRUE(sum.add_vote(outside));
    EXPECT_EQ(sizes(StatisticsSeam::sums(sum)), 0);
    EXPECT_EQ(sum.add(Floats{1.0F}).error().code, ErrorCode::InvalidArgument);
}

TEST(VoteSum, CountsVotesWhereNoiseIsTiny)
{
    Rights rights;
    VoteSum sum = vote_sum(4);
    for (int unit = 0; unit < 1000; ++unit)
        ASSERT_TRUE(sum.add_vote(unit % 10 < 7 ? 1 : 3));
    ASSERT_TRUE(sum.add(Floats{0.25F, 0.25F, 0.0F, 0.0F, 0.0F, 0.0F, 3.0F, 1.0F}));
    const auto counts = std::move(sum).release(
        rights.reserve(votes_charge(LaplaceNoise{noise_of(1e-9)})), rights.key());
    ASSERT_TRUE(counts);
    expect_near(*counts, {0.25, 700.25, 0.75, 300.25}, 1e-7);
}

Doubles empty_counts(Rights& rights, const NoisyRelease& charge, BelowZero below,
                     std::int64_t bins = 1 << 16)
{
    return vote_sum(bins).release(rights.reserve(charge), rights.key(), below).value();
}

// 65536 samples of a fixed stream; each bound is 5 deviations, odds of 6 in 10 million.
TEST(VoteSum, HasTheGaussianDeviationThatWasCharged)
{
    Rights rights;
    double square = 0.0;
    for (const double count : empty_counts(rights, votes_charge(noise_of(3.0)), BelowZero::Kept))
        square += count * count / 9.0;
    EXPECT_NEAR(square / 65536.0, 1.0, 5.0 * std::sqrt(2.0 / 65536.0));
}

// The same, of the tails e^-t on both sides, t from 0 to 7, in scales.
TEST(VoteSum, HasTheLaplaceTailsThatWereCharged)
{
    Rights rights;
    const Doubles counts =
        empty_counts(rights, votes_charge(LaplaceNoise{noise_of(4.0)}), BelowZero::Kept);
    for (const double sign : {1.0, -1.0})
        for (int t = 0; t <= 7; ++t) {
            const double tail = 0.5 * std::exp(-t);
            const auto beyond =
                std::ranges::count_if(counts, [&](double count) { return sign * count > 4.0 * t; });
            EXPECT_NEAR(static_cast<double>(beyond) / 65536.0, tail,
                        5.0 * std::sqrt(tail * (1.0 - tail) / 65536.0))
                << sign * t;
        }
}

TEST(VoteSum, DrawsLaplaceNoiseByTheInverseOfItsDistribution)
{
    Rights rights;
    const auto noise = LaplaceNoise{noise_of(4.0)};
    const Doubles counts = empty_counts(rights, votes_charge(noise), BelowZero::Kept, 1000);
    core::SecureStream stream(rights.key(), 0, 0xFFFFFFFCU);
    for (const double count : counts) {
        const std::uint64_t word = stream.next_u64();
        const double u = static_cast<double>((std::uint64_t{1} << 53) - (word >> 11)) * 0x1p-53;
        const double expected = 4.0 * std::log(u) * (word % 2 == 1 ? 1.0 : -1.0);
        ASSERT_NEAR(count, expected, 1e-10);
    }
}

TEST(VoteSum, IsSetToZeroFromBelowOnRequestOnly)
{
    Rights rights;
    const auto charge = votes_charge(noise_of(1.0));
    const auto negative = [](const Doubles& counts) {
        return std::ranges::count_if(counts, [](double count) { return count < 0.0; });
    };
    EXPECT_GT(negative(empty_counts(rights, charge, BelowZero::Kept, 100)), 20);
    const Doubles cut = empty_counts(rights, charge, BelowZero::SetToZero, 100);
    EXPECT_EQ(negative(cut), 0);
    EXPECT_GT(std::ranges::count(cut, 0.0), 20);
    EXPECT_EQ(vote_sum(1).release(rights.reserve(charge), rights.key()).value().size(), 1U);
}

TEST(VoteSum, RefusesBinsOutOfRange)
{
    for (const std::int64_t bins : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{(1 << 20) + 1},
                                    std::numeric_limits<std::int64_t>::max()}) {
        const auto made = VoteSum::create(bins);
        ASSERT_FALSE(made) << bins;
        EXPECT_EQ(made.error().code, ErrorCode::InvalidArgument);
        EXPECT_FALSE(made.error().hint.empty());
    }
}

} // namespace
} // namespace velamen::privacy
