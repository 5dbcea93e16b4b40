// SPDX-License-Identifier: GPL-3.0-or-later
//
// Class moments: what one unit can move, and what comes out. Oracles: the norm in exact integers,
// slow loops over the plain formulas, the standard deviation that was charged.

#include "engine/privacy/class_moments.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "engine/privacy/totals.h"
#include "tests/engine/privacy/parts.h"

namespace velamen::privacy {

struct ClassMomentSeam {
    static const std::vector<std::int64_t>& sums(const ClassMomentSum& sum) { return sum.sums_; }
};

namespace {

using testing::Rights;

__extension__ using Wide = __int128;

constexpr Wide kOne = Wide{1} << 36; // the grid's steps of 1

ClassMomentSettings settings(std::int64_t d, std::int64_t classes, std::int64_t units = 1,
                             double clip = 1.0)
{
    return {ClippingNorm::create(clip).value(), d, classes, units};
}

ClassMomentSum sum_of(const ClassMomentSettings& s) { return ClassMomentSum::create(s).value(); }

TEST(ClassMomentSum, IsMovedByOneAtMostWhateverAUnitHolds)
{
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (const std::int64_t d : {1, 2, 48})
        for (const std::int64_t images : {1, 3})
            for (const float scale : {1e-3F, 0.3F, 1.0F, 1e20F})
                for (const bool is_one_class : {true, false}) {
                    std::vector<float> rows(static_cast<std::size_t>(d * images));
                    for (float& value : rows)
                        value = scale * normal(random);
                    std::vector<std::int64_t> classes;
                    for (std::int64_t i = 0; i < images; ++i)
                        classes.push_back(is_one_class ? 1 : i % 3);
                    ClassMomentSum sum = sum_of(settings(d, 3));
                    ASSERT_TRUE(sum.add(rows, classes));
                    Wide squares = 0;
                    for (const std::int64_t value : ClassMomentSeam::sums(sum))
                        squares += Wide{value} * value;
                    EXPECT_LE(squares, kOne * kOne) << d << ' ' << scale;
                    if (images == 1 && scale > 1.0F) { // and the room is used
                        EXPECT_GT(squares, kOne * kOne / 100 * 99) << d;
                    }
                }
}

// However many images a unit has, in however many classes, it counts as one.
TEST(ClassMomentSum, AveragesTheImagesOfAUnit)
{
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (const std::size_t images : {1UL, 2UL, 7UL, 23UL}) {
        std::vector<float> rows(images * 4);
        for (float& value : rows)
            value = normal(random);
        std::vector<std::int64_t> classes;
        ClassMomentSum whole = sum_of(settings(4, 3));
        std::vector<double> mean(ClassMomentSeam::sums(whole).size());
        for (std::size_t i = 0; i < images; ++i) {
            classes.push_back(static_cast<std::int64_t>(i % 3));
            ClassMomentSum one = sum_of(settings(4, 3));
            ASSERT_TRUE(one.add(std::span(rows).subspan(i * 4, 4), std::span(classes).last(1)));
            for (std::size_t k = 0; k < mean.size(); ++k)
                mean[k] += static_cast<double>(ClassMomentSeam::sums(one)[k])
                    / static_cast<double>(images);
        }
        ASSERT_TRUE(whole.add(rows, classes));
        for (std::size_t k = 0; k < mean.size(); ++k) // each sum is rounded to the grid
            EXPECT_NEAR(static_cast<double>(ClassMomentSeam::sums(whole)[k]), mean[k], 2.0);
    }
}

TEST(ClassMomentSum, TakesNothingFromImagesThatAreNone)
{
    const float nan = std::numeric_limits<float>::quiet_NaN();
    ClassMomentSum sum = sum_of(settings(2, 2));
    ASSERT_TRUE(sum.add(std::vector<float>{nan, 1.0F}, std::vector<std::int64_t>{0}));
    ASSERT_TRUE(sum.add(std::vector<float>{1.0F, 1.0F}, std::vector<std::int64_t>{2}));
    ASSERT_TRUE(sum.add(std::vector<float>{1.0F, 1.0F}, std::vector<std::int64_t>{-1}));
    for (const std::int64_t value : ClassMomentSeam::sums(sum))
        EXPECT_EQ(value, 0);
    EXPECT_FALSE(sum.add({}, {}));
    EXPECT_FALSE(sum.add(std::vector<float>{1.0F}, std::vector<std::int64_t>{0}));
}

// With hardly any noise: the plain formulas over three classes of which one is empty.
TEST(ClassMoments, AreTheSlowOnesWhereNoiseIsTiny)
{
    constexpr std::int64_t kD = 3, kUnits = 400;
    std::mt19937 random(2);
    std::normal_distribution<double> normal;
    ClassMomentSum sum = sum_of(settings(kD, 3, kUnits, 50.0));
    std::vector<double> mean[2] = {{1.0, -2.0, 0.5}, {-3.0, 0.0, 4.0}};
    std::vector<std::vector<double>> rows;
    for (std::int64_t i = 0; i < kUnits; ++i) {
        std::vector<float> row;
        for (std::size_t k = 0; k < kD; ++k)
            row.push_back(static_cast<float>(mean[i % 4 == 0][k] + normal(random)));
        rows.emplace_back(row.begin(), row.end());
        ASSERT_TRUE(sum.add(row, std::vector<std::int64_t>{i % 4 == 0 ? 1 : 0}));
    }
    Rights rights;
    const auto charge = class_moments_charge(NoiseMultiplier::literal(1e-6));
    const ClassMoments moments =
        std::move(sum).release(rights.reserve(charge), rights.key()).value();
    EXPECT_NEAR(moments.shares[0], 0.75, 1e-5);
    EXPECT_NEAR(moments.shares[1], 0.25, 1e-5);
    EXPECT_NEAR(moments.shares[2], 0.0, 1e-5);
    double means[2][kD] = {}, overall[kD] = {}, within[kD][kD] = {};
    for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::size_t k = 0; k < kD; ++k) {
            means[i % 4 == 0][k] += rows[i][k] / (i % 4 == 0 ? 100.0 : 300.0);
            overall[k] += rows[i][k] / static_cast<double>(kUnits);
        }
    for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::size_t k = 0; k < kD; ++k)
            for (std::size_t l = 0; l < kD; ++l)
                within[k][l] += (rows[i][k] - means[i % 4 == 0][k])
                    * (rows[i][l] - means[i % 4 == 0][l]) / static_cast<double>(kUnits);
    for (std::size_t k = 0; k < kD; ++k) {
        EXPECT_NEAR(moments.means[k], means[0][k], 1e-3);
        EXPECT_NEAR(moments.means[kD + k], means[1][k], 1e-3);
        EXPECT_NEAR(moments.means[2 * kD + k], overall[k], 1e-3); // an empty class
        for (std::size_t l = 0; l < kD; ++l)
            EXPECT_NEAR(moments.covariance[k * kD + l], within[k][l], 2e-2);
    }
}

// Of no unit at all: shares and means are noise, the covariance stays positive definite.
TEST(ClassMoments, OfNoUnitsAreHarmless)
{
    Rights rights;
    for (int run = 0; run < 5; ++run) {
        const auto charge = class_moments_charge(NoiseMultiplier::literal(20.0));
        const ClassMoments moments =
            sum_of(settings(6, 4, 1000)).release(rights.reserve(charge), rights.key()).value();
        double total = 0.0;
        for (const double share : moments.shares) {
            EXPECT_GE(share, 0.0);
            total += share;
        }
        EXPECT_NEAR(total, 1.0, 1e-12);
        for (std::size_t i = 0; i < 6; ++i)
            EXPECT_GE(moments.covariance[i * 6 + i], 0.02 - 1e-12);
    }
    const auto total = total_of(rights.ledger().entries(), {}, Delta::literal(1e-5));
    ASSERT_TRUE(total);
    EXPECT_EQ(total->releases, 5);
    const auto noise = NoiseMultiplier::create(20.0 / std::sqrt(5.0)).value();
    EXPECT_NEAR(total->epsilon.value(), gaussian_epsilon(Delta::literal(1e-5), noise).value(),
                1e-6);
}

TEST(ClassMoments, AreReleasedOnlyByTheirOwnRight)
{
    Rights rights;
    const auto laplace = NoisyRelease{"class_moments", LaplaceNoise{NoiseMultiplier::literal(9.0)}};
    EXPECT_FALSE(sum_of(settings(2, 2)).release(rights.reserve(laplace), rights.key()));
    auto twice = class_moments_charge(NoiseMultiplier::literal(9.0));
    twice.times = 2;
    EXPECT_FALSE(sum_of(settings(2, 2)).release(rights.reserve(twice), rights.key()));
    for (const auto& bad : {settings(0, 2), settings(513, 2), settings(2, 0), settings(2, 2, 0),
                            settings(2, 2, 1, 1e31)})
        EXPECT_FALSE(ClassMomentSum::create(bad));
    auto floor = settings(2, 2);
    floor.floor = -1.0;
    EXPECT_FALSE(ClassMomentSum::create(floor));
}

} // namespace
} // namespace velamen::privacy
