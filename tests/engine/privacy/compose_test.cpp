// SPDX-License-Identifier: GPL-3.0-or-later
//
// Composition piece by piece. Oracles: one convolution after the other in long double, the
// definition of the cumulant function, and the same question asked another way.

#include <cmath>

#include <gtest/gtest.h>

#include "engine/privacy/accountant.h"
#include "engine/privacy/pld/compose.h"
#include "engine/privacy/pld/sketch.h"

namespace velamen::privacy {
namespace {

constexpr std::int64_t kCells = std::int64_t{1} << 22;

struct Sum {
    std::int64_t lowest = 0;
    std::vector<long double> mass{1.0L};
    long double finite = 1.0L;
    double step = 0.0;

    void add(const LossPmf& pmf, std::int64_t steps)
    {
        step = pmf.step;
        for (std::int64_t i = 0; i < steps; ++i) {
            std::vector<long double> next(mass.size() + pmf.mass.size() - 1, 0.0L);
            for (std::size_t a = 0; a < mass.size(); ++a)
                for (std::size_t b = 0; b < pmf.mass.size(); ++b)
                    next[a + b] += mass[a] * static_cast<long double>(pmf.mass[b]);
            mass = std::move(next);
            lowest += pmf.lowest;
            finite *= 1.0L - static_cast<long double>(pmf.infinite);
        }
    }

    double delta(double epsilon) const
    {
        long double sum = 1.0L - finite;
        for (std::size_t k = 0; k < mass.size(); ++k) {
            const long double loss =
                static_cast<long double>(lowest + static_cast<std::int64_t>(k)) * step;
            if (loss > epsilon) sum -= mass[k] * std::expm1(epsilon - loss);
        }
        return static_cast<double>(sum);
    }
};

/// Two thirds of the steps with `first`, the others with `second`, at all sorts of epsilon.
void expect_exact(const LossPmf& first, const LossPmf& second, std::int64_t steps, bool is_short)
{
    Sum sum;
    sum.add(first, 2 * steps / 3);
    sum.add(second, steps - 2 * steps / 3);
    const Term terms[] = {{&first, 2 * steps / 3}, {&second, steps - 2 * steps / 3}};
    int checked = 0;
    for (const double goal : {.3, 1e-2, 1e-4, 1e-6, 1e-9, 1e-11}) {
        double low = 0.0, high = 1e3;
        while (high - low > 1e-13 * high)
            (sum.delta(0.5 * (low + high)) > goal ? low : high) = 0.5 * (low + high);
        if (!(low > 0.05) || goal < 2.0 * static_cast<double>(1.0L - sum.finite)) continue;
        ++checked;
        const double slope = (std::log(sum.delta(high * 0.999)) - std::log(goal)) / (0.001 * high);
        const Answer epsilon = composed_epsilon(terms, goal, kCells);
        EXPECT_EQ(epsilon.coarse.has_value(), is_short) << goal;
        EXPECT_GE(epsilon.value, high * (1.0 - 1e-12)) << goal;
        const double excess = 1e-6 + 1e-13 / goal; // of delta, relatively
        EXPECT_LE(epsilon.value, high + excess / slope) << goal;
        const Answer delta = composed_delta(terms, high, kCells);
        EXPECT_GE(delta.value, goal * (1.0 - 1e-12)) << high;
        EXPECT_LE(delta.value, goal * (1.0 + 2.0 * excess)) << high;
        // the doubled grid, by its own pmf
        const LossPmf halves[] = {coarsen(first), coarsen(second)};
        const Term coarse[] = {{&halves[0], terms[0].steps}, {&halves[1], terms[1].steps}};
        const double own = composed_epsilon(coarse, goal, kCells).value;
        if (is_short) {
            EXPECT_NEAR(*epsilon.coarse, own, 1e-6 * own) << goal;
        }
    }
    EXPECT_GE(checked, 3);
}

TEST(Composition, OfManyStepsIsThatOfConvolutions)
{
    const auto pair = discretise(.3, 1.2, 1.0 / 16, -50);
    expect_exact(pair.remove, pair.remove, 60, true);
    expect_exact(pair.add, pair.add, 60, true);
}

TEST(Composition, OfDifferentStepsIsThatOfConvolutions)
{
    const auto some = discretise(.4, 1.5, 1.0 / 16, -50), other = discretise(.2, 1, 1.0 / 16, -50);
    expect_exact(some.remove, other.remove, 60, true);
    expect_exact(some.add, other.add, 60, true);
}

TEST(Composition, OfFewStepsIsThatOfConvolutions)
{
    const auto some = discretise(.1, .8, 1.0 / 16, -50), other = discretise(.2, 1, 1.0 / 16, -50);
    expect_exact(some.remove, other.remove, 3, false);
    expect_exact(some.add, other.add, 3, false);
}

// A coarse cut leaves a chance of infinite loss that matters.
TEST(Composition, OfInfiniteLossesIsThatOfConvolutions)
{
    const auto pair = discretise(.3, 1.2, 1.0 / 16, -15);
    expect_exact(pair.remove, pair.remove, 60, true);
    expect_exact(pair.add, pair.add, 60, true);
    expect_exact(pair.remove, pair.remove, 3, false);
}

// A replacement's losses are symmetric, and rare ones leave gaps in the sum.
TEST(Composition, OfReplacementsIsThatOfConvolutions)
{
    const auto pair = discretise_replace(.2, 1.5, 1.0 / 16, -50);
    expect_exact(pair.remove, pair.remove, 60, true);
}

TEST(Composition, DoesNotDependOnWhatWasAskedBefore)
{
    const auto pair = discretise(.02, 1.1, 1e-3, -50);
    LossSpectra kept(pair.remove);
    for (const std::int64_t steps : {4000, 500, 5, 510, 40, 495, 500, 4000})
        for (const double delta : {1e-9, 1e-5, 1e-2}) {
            const Term term{&pair.remove, steps, &kept}, alone{&pair.remove, steps};
            const Answer one = composed_epsilon({&term, 1}, delta, kCells);
            const Answer other = composed_epsilon({&alone, 1}, delta, kCells);
            EXPECT_EQ(one.value, other.value) << steps << ' ' << delta;
            EXPECT_EQ(one.coarse, other.coarse) << steps << ' ' << delta;
        }
}

TEST(Composition, DoesNotSearchBelowWhatIsKnownToBeReached)
{
    const auto pair = discretise(.02, 1.1, 1e-3, -50);
    for (const std::int64_t steps : {2, 700}) {
        const Term term{&pair.remove, steps};
        const double epsilon = composed_epsilon({&term, 1}, 1e-5, kCells).value;
        for (const double part : {.1, .9, .999})
            EXPECT_NEAR(composed_epsilon({&term, 1}, 1e-5, kCells, part * epsilon).value, epsilon,
                        1e-7 * epsilon);
        for (const double part : {1.001, 1.1, 10., 1e9})
            EXPECT_EQ(composed_epsilon({&term, 1}, 1e-5, kCells, part * epsilon).value,
                      part * epsilon);
        const double infinity = std::numeric_limits<double>::infinity();
        EXPECT_EQ(composed_epsilon({&term, 1}, 1e-5, kCells, infinity).value, infinity);
    }
}

TEST(LossSketch, LiesJustAboveTheCumulantFunction)
{
    for (const auto& pmf : {discretise(.01, .7, 1e-3, -50).remove, discretise(.5, 5, 1e-3, -50).add,
                            discretise_replace(.001, 1, 1e-3, -50).remove}) {
        const LossSketch sketch(pmf);
        for (const double lambda : {-30.0, -3.0, -1.0, -.5, -1e-3, 0.0, 1e-6, .1, 1.0, 5.0, 40.0}) {
            long double sum = 0.0L, square = 0.0L;
            for (std::size_t k = 0; k < pmf.mass.size(); ++k) {
                const long double l =
                    static_cast<long double>(pmf.lowest + static_cast<std::int64_t>(k)) * pmf.step;
                const long double p = static_cast<long double>(pmf.mass[k]) * std::exp(lambda * l);
                sum += p;
                square += p * l * l;
            }
            const auto exact = static_cast<double>(std::log(sum));
            EXPECT_GE(sketch.at(lambda).value, exact) << lambda;
            // what splitting within 6 % of the loss, or a cell, adds to the exponential's mean
            if (std::abs(lambda) * 0.06 * sketch.reach() < 1.0) {
                const double added = 0.0005 * static_cast<double>(square / sum) + 1e-6 / 8.0;
                EXPECT_LE(sketch.at(lambda).value, exact + 2.0 * lambda * lambda * added + 1e-11)
                    << lambda;
            }
            const double h = 1e-5 * (1.0 + std::abs(lambda));
            EXPECT_NEAR(sketch.at(lambda).slope,
                        (sketch.at(lambda + h).value - sketch.at(lambda - h).value) / (2.0 * h),
                        1e-5 * (1.0 + std::abs(sketch.at(lambda).slope)))
                << lambda;
        }
        EXPECT_EQ(sketch.at(1e9).value, std::numeric_limits<double>::infinity());
    }
}

TEST(Tilts, LieOnAGrid)
{
    EXPECT_EQ(lambda_of(0), 0.0);
    EXPECT_DOUBLE_EQ(lambda_of(1 + 40 * kTiltsPerOctave), 1.0);
    for (int tilt = 1; tilt <= kMostTilt; ++tilt) {
        EXPECT_EQ(lambda_of(-tilt), -lambda_of(tilt));
        EXPECT_GT(lambda_of(tilt), lambda_of(tilt - 1));
        EXPECT_EQ(tilt_below(lambda_of(tilt)), tilt);
        EXPECT_EQ(tilt_below(lambda_of(tilt) * (1.0 - 1e-12)), tilt - 1);
    }
    for (const double none : {0.0, -1.0, 1e-300, static_cast<double>(NAN)})
        EXPECT_EQ(tilt_below(none), 0) << none;
    EXPECT_EQ(tilt_below(1e300), kMostTilt);
}

} // namespace
} // namespace velamen::privacy
