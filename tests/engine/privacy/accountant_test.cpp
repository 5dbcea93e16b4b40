// SPDX-License-Identifier: GPL-3.0-or-later
//
// The accountants piece by piece against exact formulas and published numbers; DPA is
// google/differential-privacy dp_accounting. Whole plans are in vectors_test.cpp.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/privacy/accountant.h"
#include "engine/privacy/normal.h"
#include "engine/privacy/pld/compose.h"
#include "engine/privacy/pld/pmf.h"
#include "tests/engine/privacy/parts.h"

namespace velamen::privacy {
namespace {

using testing::delta_of;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Segment segment(double rate, double noise, std::int64_t steps)
{
    return {{SamplingRate::create(rate).value(), NoiseMultiplier::create(noise).value()},
            Steps::create(steps).value()};
}

double pld(std::vector<Segment> segments, double delta)
{
    return pld_epsilon(segments, Delta::create(delta).value()).value().value();
}

double pld(double rate, double noise, std::int64_t steps, double delta)
{
    return pld({segment(rate, noise, steps)}, delta);
}

double rdp(double rate, double noise, std::int64_t steps, double delta)
{
    const Segment one = segment(rate, noise, steps);
    return rdp_epsilon({&one, 1}, Delta::create(delta).value()).epsilon.value();
}

TEST(RdpBound, SaysWhenABetterOrderMayLieOutside)
{
    const Segment calm = segment(1, 1000, 1);
    EXPECT_TRUE(rdp_epsilon({&calm, 1}, Delta::literal(1e-5)).at_end_order);
}

TEST(RenyiDivergence, NeverFallsWithTheOrder)
{
    for (const auto& [rate, noise] : {std::pair{.5, 5.}, {.01, .4}, {.3, 60.}}) {
        double before = 0.0;
        for (double order = 1.1; order < 12.0; order += 0.1) {
            const double now = rdp_of(segment(rate, noise, 1).event, Steps::literal(1), order);
            EXPECT_GE(now, before * (1.0 - 1e-9)) << rate << ' ' << noise << ' ' << order;
            before = now;
        }
    }
}

TEST(RenyiDivergence, DoesNotExistForOrdersUpToOne)
{
    EXPECT_EQ(rdp_of(segment(.1, 1, 1).event, Steps::literal(1), 1.0), kInfinity);
    EXPECT_EQ(rdp_of(segment(.1, 1, 1).event, Steps::literal(1), NAN), kInfinity);
}

TEST(Gaussian, DeltaAndEpsilonAreInverse)
{
    for (double noise : {1e-3, .05, .7, 3., 100.})
        for (double delta : {1e-300, 1e-12, 1e-5, .01, .3}) {
            const auto sigma = NoiseMultiplier::create(noise).value();
            const double epsilon = gaussian_epsilon(Delta::create(delta).value(), sigma).value();
            EXPECT_LE(gaussian_delta(epsilon, sigma), delta) << noise << ' ' << delta;
            if (epsilon > 0.0) {
                EXPECT_GT(gaussian_delta(epsilon * (1.0 - 1e-6), sigma), delta) << noise << delta;
            }
        }
}

// Oracle: DPA's privacy_loss_distribution_test, grid step 1, range cut at Phi(-0.9) on each side.
TEST(ConnectTheDots, GivesThePublishedRows)
{
    struct Row {
        double rate;
        bool is_add;
        std::int64_t lowest;
        std::vector<double> mass;
        double infinite;
    };
    const double log_mass = std::log(2.0) + log_ndtr(-0.9);
    const std::vector<double> unsampled{.022697115, .126282046, .319116756, .343270190, .167710257};
    for (const Row& row :
         {Row{1, false, -2, unsampled, .020923636}, Row{1, true, -2, unsampled, .020923636},
          Row{.8, true, -2, {.015193708, .115544309, .398104072, .448021700}, .023136210},
          Row{.8, false, -1, {.164817973, .398104072, .314081995, .112267164}, .010728796}}) {
        const auto pair = discretise(row.rate, 1.0, 1.0, log_mass);
        const LossPmf& pmf = row.is_add ? pair.add : pair.remove;
        EXPECT_EQ(pmf.lowest, row.lowest);
        ASSERT_EQ(pmf.mass.size(), row.mass.size());
        for (std::size_t i = 0; i < row.mass.size(); ++i)
            EXPECT_NEAR(pmf.mass[i], row.mass[i], 1e-8)
                << row.rate << ' ' << row.is_add << ' ' << i;
        EXPECT_NEAR(pmf.infinite, row.infinite, 1e-8);
    }
}

// Oracle: the hockey-stick divergence of the two normal mixtures in closed form.
TEST(ConnectTheDots, MeetsTheTrueDeltaOnTheGridAndNeverLiesBelow)
{
    const double q = .3, sigma = .8;
    const auto remove = [&](double epsilon) {
        if (epsilon <= std::log1p(-q)) return -std::expm1(epsilon);
        const double x = -.5 - sigma * sigma * std::log1p(std::expm1(epsilon) / q);
        return (1 - q) * ndtr(x / sigma) + q * ndtr((x + 1) / sigma)
            - std::exp(epsilon) * ndtr(x / sigma);
    };
    // exchanging the distributions: delta'(epsilon) = 1 - e^epsilon + e^epsilon delta(-epsilon)
    const auto add = [&](double epsilon) {
        return -std::expm1(epsilon) + std::exp(epsilon) * remove(-epsilon);
    };
    const auto pair = discretise(q, sigma, 1.0 / 64, -50);
    const LossPmf coarse = coarsen(pair.remove);
    for (int i = -100; i <= 400; ++i) {
        const double epsilon = i / 128.0;
        const bool is_dot = i % 2 == 0;
        EXPECT_GE(delta_of(pair.remove, epsilon), remove(epsilon) - 1e-13);
        EXPECT_GE(delta_of(pair.add, epsilon), add(epsilon) - 1e-13);
        EXPECT_GE(delta_of(coarse, epsilon), delta_of(pair.remove, epsilon) - 1e-13);
        if (is_dot) {
            EXPECT_NEAR(delta_of(pair.remove, epsilon), remove(epsilon), 1e-12);
            EXPECT_NEAR(delta_of(pair.add, epsilon), add(epsilon), 1e-12);
        }
        if (i % 4 == 0) {
            EXPECT_NEAR(delta_of(coarse, epsilon), remove(epsilon), 1e-12);
        }
    }
}

// Oracle: DPA, both directions of q = .01, sigma = 1, T = 1000.
TEST(Pld, ReportsTheWorseOfBothDirections)
{
    const auto pair = discretise(.01, 1, 1e-4, -50);
    const Term removed{&pair.remove, 1000}, added{&pair.add, 1000};
    const double remove = composed_epsilon({&removed, 1}, 1e-5, 1 << 23).value;
    const double add = composed_epsilon({&added, 1}, 1e-5, 1 << 23).value;
    EXPECT_NEAR(remove, 1.828244, 1e-4);
    EXPECT_NEAR(add, 1.416672, 1e-4);
    EXPECT_DOUBLE_EQ(pld(.01, 1, 1000, 1e-5), std::max(remove, add));
}

TEST(Pld, AsksForAnotherGridWhenTheWindowIsTooLarge)
{
    const auto pair = discretise(.01, 1, 1e-4, -50);
    const Term removed{&pair.remove, 1000};
    EXPECT_GT(composed_epsilon({&removed, 1}, 1e-5, 100).cells_needed, 100);
}

TEST(Pld, DeltaIsThePublishedOne)
{
    const Segment one = segment(.01, 1, 1000);
    EXPECT_NEAR(pld_delta({&one, 1}, Epsilon::literal(1.0)).value(), .00261250, 2.6e-7); // DPA
}

TEST(Pld, DoesNotDependOnHowEqualStepsAreWritten)
{
    const double whole = pld(.02, 1.1, 700, 1e-6);
    EXPECT_DOUBLE_EQ(
        pld({segment(.02, 1.1, 300), segment(.02, 1.1, 1), segment(.02, 1.1, 399)}, 1e-6), whole);
    // not merged, since the noise is another number: the same but for the grid's tolerance
    EXPECT_NEAR(pld({segment(.02, 1.1, 300), segment(.02, 1.1 * (1 + 1e-12), 400)}, 1e-6), whole,
                1e-8 * whole);
}

// The grid's own path for steps without sampling; oracle: one Gaussian with noise sigma / sqrt(T).
TEST(Pld, OfUnsampledStepsLiesJustAboveTheExactGaussian)
{
    for (const auto& [noise, steps] : {std::pair{.7, 2}, {5., 30}, {40., 1000}})
        for (double delta : {1e-10, 1e-5, 1e-2}) {
            const auto sigma = NoiseMultiplier::create(noise / std::sqrt(steps)).value();
            const double exact = gaussian_epsilon(Delta::create(delta).value(), sigma).value();
            EXPECT_DOUBLE_EQ(pld(1, noise, steps, delta), exact);
            const auto pair = discretise(1, noise, 1e-4, -50);
            const Term term{&pair.remove, steps};
            const double on_grid = composed_epsilon({&term, 1}, delta, 1 << 23).value;
            EXPECT_GE(on_grid, exact * (1 - 1e-9));
            EXPECT_NEAR(on_grid, exact, 1e-3 * exact) << noise << ' ' << steps << ' ' << delta;
        }
}

TEST(Pld, ContinuesIntoTheUnsampledCase)
{
    EXPECT_NEAR(pld(1 - 1e-9, 3, 10, 1e-5), pld(1, 3, 10, 1e-5), 2e-3);
}

TEST(Pld, TakesUnsampledAndSampledStepsTogether)
{
    const double sampled = pld(.01, 1, 1000, 1e-5), unsampled = pld(1, 20, 3, 1e-5);
    const double both = pld({segment(.01, 1, 1000), segment(1, 20, 1), segment(1, 20, 2)}, 1e-5);
    EXPECT_GT(both, sampled);
    EXPECT_LT(both, sampled + unsampled);
}

TEST(Pld, OfNothingIsZero)
{
    EXPECT_EQ(pld(std::vector<Segment>{}, 1e-5), 0.0);
    EXPECT_EQ(pld_delta({}, Epsilon::literal(0.0)).value(), 0.0);
    EXPECT_EQ(rdp_epsilon({}, Delta::literal(1e-5)).epsilon.value(), 0.0);
}

TEST(Pld, RefusesADeltaThatItCannotResolve)
{
    const Segment one = segment(.01, 1, 1);
    const auto refused = pld_epsilon({&one, 1}, Delta::literal(9e-13));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::InvalidArgument);
    EXPECT_FALSE(refused.error().hint.empty());
}

// q T = 0.1 chance that the unit is ever drawn: without noise delta = 0.095 is lost for sure.
TEST(Pld, IsInfiniteWhereThatIsTheTruth)
{
    EXPECT_EQ(pld(1, 1e-200, 1, 1e-5), kInfinity);
    EXPECT_EQ(rdp(.5, 1e-200, 1, 1e-5), kInfinity);
    EXPECT_EQ(pld(.1, 1, 1, .999), 0.0);
}

TEST(PldCurve, EqualsTheWholeAnswer)
{
    const auto curve = PldCurve::create(segment(.01, 1, 1).event).value();
    for (std::int64_t steps : {1, 10, 1000})
        EXPECT_DOUBLE_EQ(
            curve.epsilon_after(Steps::create(steps).value(), Delta::literal(1e-5)).value().value(),
            pld(.01, 1, steps, 1e-5));
}

// Oracle: DPA (get_true_positive_rates), FPR 0.1 %, 1 %, 5 %.
TEST(PldCurve, GivesThePublishedAttackers)
{
    struct Row {
        double rate, noise;
        std::int64_t steps;
        double at_0_001, at_0_01, at_0_05;
    };
    for (const Row& row : {Row{.02, 4, 2000, .0021, .0180, .0783},
                           {.01, 1, 1000, .0041, .0291, .1110},
                           {.02, 1, 2000, .0285, .1238, .3122}}) {
        const auto curve = PldCurve::create(segment(row.rate, row.noise, 1).event).value();
        const auto steps = Steps::create(row.steps).value();
        EXPECT_NEAR(curve.true_positive_rate(steps, .001).value(), row.at_0_001, 6e-5);
        EXPECT_NEAR(curve.true_positive_rate(steps, .01).value(), row.at_0_01, 6e-5);
        EXPECT_NEAR(curve.true_positive_rate(steps, .05).value(), row.at_0_05, 6e-5);
    }
}

// Oracle: Phi(Phi^-1(FPR) + mu) with mu = 1; the rates are DPA's.
TEST(PldCurve, GivesTheExactAttackerOfOneGaussian)
{
    const auto curve = PldCurve::create(segment(1, 1, 1).event).value();
    const std::pair<double, double> expected[] = {
        {1e-3, .01830}, {1e-4, .003274}, {1e-5, .0005475}, {1e-6, 8.7218e-5}};
    for (const auto& [rate, power] : expected)
        EXPECT_NEAR(curve.true_positive_rate(Steps::literal(1), rate).value(), power, 4e-4 * power);
}

TEST(PldCurve, RefusesARateThatIsNone)
{
    const auto curve = PldCurve::create(segment(.1, 1, 1).event).value();
    for (double rate : {-0.1, 1.1, static_cast<double>(NAN)})
        EXPECT_FALSE(curve.true_positive_rate(Steps::literal(1), rate)) << rate;
}

TEST(Normal, TailsAreExact)
{
    EXPECT_NEAR(log_ndtr(-5.0), -15.064998393988727, 1e-12); // scipy.special.log_ndtr
    EXPECT_NEAR(log_ndtr(-36.5), -670.6420000003138, 1e-9);
    EXPECT_NEAR(log_ndtr(-36.0 - 1e-9), log_ndtr(-36.0 + 1e-9), 1e-6); // both branches
    for (double log_p : {-95.0, -50.0, -1.0, -0.5, -1e-3, -1e-6})
        EXPECT_NEAR(log_ndtr(ndtri_exp(log_p)), log_p, 1e-9 * std::abs(log_p)) << log_p;
}

} // namespace
} // namespace velamen::privacy
