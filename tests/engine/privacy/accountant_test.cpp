// SPDX-License-Identifier: GPL-3.0-or-later
//
// Epsilon against published numbers, against other accountants and against exact formulas. Oracles
// are named in the tables: DPA is google/differential-privacy dp_accounting, TFP
// tensorflow/privacy.

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "engine/privacy/accountant.h"
#include "engine/privacy/normal.h"
#include "engine/privacy/pld_compose.h"
#include "engine/privacy/pld_pmf.h"

namespace velamen::privacy {
namespace {

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

struct Published {
    const char* name;
    double rate, noise;
    std::int64_t steps;
    double delta, pld, rdp;                            // 0: not published
    double pld_tolerance = 1e-4, rdp_tolerance = 1e-3; // relative
};

class PublishedEpsilon : public testing::TestWithParam<Published> {};

TEST_P(PublishedEpsilon, IsReproduced)
{
    const auto& p = GetParam();
    if (p.pld > 0.0) {
        EXPECT_NEAR(pld(p.rate, p.noise, p.steps, p.delta), p.pld, p.pld * p.pld_tolerance);
    }
    if (p.rdp > 0.0) {
        EXPECT_NEAR(rdp(p.rate, p.noise, p.steps, p.delta), p.rdp, p.rdp * p.rdp_tolerance);
    }
}

// PLD: DPA at h = 1e-4. RDP: named; where DPA's sum without signs at fractional orders is off by
// more than 1e-3 (TfpMicrobatches, Quarter), the value is that of quadrature at the same orders.
INSTANTIATE_TEST_SUITE_P(
    Vectors, PublishedEpsilon,
    testing::Values(
        Published{"OpacusTest", .04, 1.5, 2250, 1e-5, 0, 7.32911117143},
        Published{"OpacusFloorOfSteps", .04, 1.5, 2249, 1e-5, 6.767051, 0},
        Published{"OpacusNoise8", .04, 1.345899, 2250, 1e-5, 8, 0},
        Published{"OpacusNoise8Shorter", .04, 1.289968, 2000, 1e-5, 8, 0},
        Published{"OpacusRdpNoise8", .04, 1.415874, 2250, 1e-5, 0, 8},
        Published{"TfpMnist", 150. / 60000, 1.3, 6000, 1e-5, .640111, 0.7242234026},
        Published{"TfpRare", 100. / 100000, 1.0, 30000, 1e-7, 1.098199, 1.4154988495},
        Published{"TfpSmallNoise", .01, 0.7, 120, 1e-5, 2.4612381, 3.2391922, 1e-4, 1e-6},
        Published{"TfpMicrobatches", .01, 0.35, 120, 1e-5, 18.6977407, 22.5970358, 1e-4, 1e-6},
        Published{"TfpUnsampled", 1, 0.7, 2, 1e-5, 10.1224946, 10.8602036},
        Published{"TfpUnsampledHalf", 1, 0.35, 2, 1e-5, 24.7160779, 26.2880374},
        Published{"TfpStatement", .0064, 1.0, 782, 1e-6, 1.199, 1.616, 4.2e-4, 3.1e-4},
        Published{"DpaCoarse", .2, .5, 3, 0.15594, 1, 0, 1e-3},
        Published{"DpaComposedGaussian", 1, 1.7320508075688772, 3, 0.126936, 1, 0},
        Published{"DpaSingleStep", .01, 0.67379294682, 1, 1e-5, 1, 0},
        Published{"JaxPrivacy", .1, 3, 512, 1e-6, 3.769687, 0},
        Published{"PrvReadme", .005, 0.8, 1000, 1e-6, 2.004112, 2.626536},
        Published{"PrvTest", .00256, 0.9, 4900, 1e-5, 1.139973, 1.486609},
        Published{"LowNoiseLevel", .01, 4, 10000, 1e-5, .946999, 1.035490},
        Published{"Plain", .01, 1, 1000, 1e-5, 1.828244, 0},
        Published{"Half", .5, 5, 500, 1e-5, 11.643952, 12.492460},
        Published{"Quarter", .25, 8, 2000, 1e-4, 5.729716, 6.2654949, 1e-4, 1e-6},
        Published{"CalibratedTen", .02, .771431, 2000, 1e-5, 10, 0},
        Published{"CalibratedTenDense", .1, 1.748959, 1000, 1e-5, 10, 0},
        Published{"CalibratedOne", .0512, 6.130976, 1000, 1e-5, 1, 0}),
    [](const auto& vector) { return vector.param.name; });

TEST(RdpBound, IsTakenAtThePublishedOrder)
{
    const Segment mnist = segment(150. / 60000, 1.3, 6000), long_run = segment(.01, 4, 10000);
    const auto delta = Delta::literal(1e-5);
    EXPECT_EQ(rdp_epsilon({&mnist, 1}, delta).order, 19.0);    // TFP
    EXPECT_EQ(rdp_epsilon({&long_run, 1}, delta).order, 17.0); // DPA
    EXPECT_FALSE(rdp_epsilon({&mnist, 1}, delta).at_end_order);
}

TEST(RdpBound, SaysWhenABetterOrderMayLieOutside)
{
    const Segment calm = segment(1, 1000, 1);
    EXPECT_TRUE(rdp_epsilon({&calm, 1}, Delta::literal(1e-5)).at_end_order);
}

// Oracle: DPA's test at integer orders; quadrature of the definition at fractional ones, where DPA
// sums without signs (its test expects 6.7058e-4 and 1.08549e-3, which are looser).
TEST(RenyiDivergence, EqualsTheDefinition)
{
    const auto event = segment(.01, 2.5, 1).event;
    const std::pair<double, double> expected[] = {{1.5, 6.500708972e-4},
                                                  {2.5, 1.085418057e-3},
                                                  {5, 2.18075656e-3},
                                                  {50, 2.38460375e-2},
                                                  {100, 167.416308}};
    for (const auto& [order, value] : expected)
        EXPECT_NEAR(rdp_of(event, Steps::literal(50), order), value, 1e-6 * value) << order;
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

// Oracle: DPA's rdp test (the order of its grid of thousandths lies between ours).
TEST(RdpBound, OfOneGaussianIsThePublishedOne)
{
    EXPECT_NEAR(rdp(1, 4.530877117, 1, 1e-6), 1.0, 1e-3);
}

// Oracle: DPA and its gaussian_mechanism (Balle and Wang).
TEST(Gaussian, EpsilonIsThePublishedOne)
{
    const auto epsilon = [](double delta, double noise) {
        return gaussian_epsilon(Delta::create(delta).value(),
                                NoiseMultiplier::create(noise).value())
            .value();
    };
    EXPECT_NEAR(epsilon(1e-5, 1), 4.377178, 1e-6);
    EXPECT_NEAR(epsilon(1e-5, .5), 9.997256, 1e-6);
    EXPECT_NEAR(epsilon(1e-6, 10), 0.396857, 2e-6);
    EXPECT_NEAR(epsilon(1e-5, 3.730632), 1.0, 1e-6);
    EXPECT_NEAR(epsilon(1e-5, .600229), 8.0, 1e-5);
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

double delta_of(const LossPmf& pmf, double epsilon)
{
    double delta = pmf.infinite;
    for (std::size_t k = 0; k < pmf.mass.size(); ++k) {
        const double loss =
            static_cast<double>(pmf.lowest + static_cast<std::int64_t>(k)) * pmf.step;
        if (loss > epsilon) delta -= pmf.mass[k] * std::expm1(epsilon - loss);
    }
    return delta;
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

// Oracle: DPA for both; unequal segments.
TEST(Pld, ComposesDifferentSegments)
{
    const std::vector<Segment> both{segment(.01, 1, 500), segment(.02, 1.5, 500)};
    EXPECT_NEAR(pld(both, 1e-5), 1.897483, 1.9e-4);
    const auto bound = rdp_epsilon(both, Delta::literal(1e-5));
    EXPECT_NEAR(bound.epsilon.value(), 2.147668, 1e-3);
    EXPECT_EQ(bound.order, 8.0);
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

TEST(Pld, AnswersForEveryPlan)
{
    for (double rate : {1e-300, .5, 1 - 1e-16, 1.})
        for (double noise : {1e-200, 2.5e-3, 30., 1e200})
            for (std::int64_t steps : {std::int64_t{1}, std::int64_t{100'000'000},
                                       std::int64_t{9'000'000'000'000'000'000}}) {
                const double value = pld(rate, noise, steps, 1e-5);
                EXPECT_GE(value, 0.0) << rate << ' ' << noise << ' ' << steps;
                EXPECT_LE(value, rdp(rate, noise, steps, 1e-5) * 1.001 + 1e-7)
                    << rate << ' ' << noise << ' ' << steps;
            }
}

// q T = 0.1 chance that the unit is ever drawn: without noise delta = 0.095 is lost for sure.
TEST(Pld, IsInfiniteWhereThatIsTheTruth)
{
    EXPECT_EQ(pld(1, 1e-200, 1, 1e-5), kInfinity);
    EXPECT_EQ(rdp(.5, 1e-200, 1, 1e-5), kInfinity);
    EXPECT_EQ(pld(.1, 1, 1, .999), 0.0);
}

// 25 plans from a fixed seed; every comparison is a theorem, the slack is the grid's tolerance.
TEST(Pld, IsMonotoneAndBelowTheRenyiBound)
{
    std::mt19937 random(20240607);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    for (int i = 0; i < 25; ++i) {
        const double rate = std::pow(10.0, -3.5 + 3.2 * uniform(random));
        const double noise = std::pow(10.0, -0.15 + 1.15 * uniform(random));
        const auto steps = static_cast<std::int64_t>(std::pow(10.0, 4.0 * uniform(random)));
        const double delta = std::pow(10.0, -9.0 + 7.0 * uniform(random));
        const double value = pld(rate, noise, steps, delta);
        const double most = value * (1.0 + 1e-3) + 1e-9, least = value * (1.0 - 1e-3) - 1e-9;
        SCOPED_TRACE(testing::Message() << rate << ' ' << noise << ' ' << steps << ' ' << delta);
        EXPECT_GE(pld(rate, noise, steps + 1 + steps / 10, delta), least);
        EXPECT_GE(pld(std::min(1.0, rate * 1.1), noise, steps, delta), least);
        EXPECT_LE(pld(rate, noise * 1.1, steps, delta), most);
        EXPECT_LE(pld(rate, noise, steps, delta * 2.0), most);
        EXPECT_LE(value, rdp(rate, noise, steps, delta) * (1.0 + 1e-3) + 1e-9);
        if (value > 1e-3) {
            const Segment one = segment(rate, noise, steps);
            const double back = pld_delta({&one, 1}, Epsilon::create(value).value()).value();
            EXPECT_NEAR(back, delta, 0.05 * delta);
        }
    }
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
