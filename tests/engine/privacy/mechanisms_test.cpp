// SPDX-License-Identifier: GPL-3.0-or-later
//
// Replaced units, capped draws, Laplace noise, repeated runs and groups. Oracles: DPA is
// google/differential-privacy dp_accounting 0.6; "quadrature" is the definition in 40 digits
// (mpmath); the rest are closed forms.

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/privacy/composition.h"
#include "engine/privacy/mechanisms.h"
#include "engine/privacy/normal.h"
#include "engine/privacy/pld/compose.h"
#include "engine/privacy/pld/event.h"
#include "engine/privacy/renyi.h"
#include "tests/engine/privacy/parts.h"

namespace velamen::privacy {
namespace {

using testing::delta_of;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

SubsampledGaussian event(double rate, double noise)
{
    return {SamplingRate::create(rate).value(), NoiseMultiplier::create(noise).value()};
}

Steps count(std::int64_t steps) { return Steps::create(steps).value(); }

using All = std::vector<Spending>;

double epsilon_of(const All& all, double delta, Neighbours relation = Neighbours::ZeroOut)
{
    return composed_epsilon(all, Delta::create(delta).value(), relation).value().value();
}

double delta_of(const All& all, double epsilon)
{
    return composed_delta(all, Epsilon::create(epsilon).value()).value();
}

Spending capped(double rate, double noise, std::int64_t units, std::int64_t cap, std::int64_t steps)
{
    return {CappedGaussian{event(rate, noise), units, cap}, count(steps)};
}

Spending laplace(double scale, std::int64_t times)
{
    return {LaplaceNoise{NoiseMultiplier::create(scale).value()}, count(times)};
}

Spending guarantee(double epsilon, double delta)
{
    return {Guarantee{Epsilon::create(epsilon).value(), delta}, count(1)};
}

Segment plain(std::int64_t steps = 1000) { return {event(.01, 1), count(steps)}; }

// Oracle: DPA's privacy_loss_distribution_test (REPLACE_ONE), grid step 1, range cut at Phi(-0.9).
// Its grid ends higher: its lowest cell holds what ours has up to there.
TEST(ReplaceOne, GivesThePublishedRows)
{
    struct Row {
        double rate, sigma;
        std::int64_t lowest;
        std::vector<double> mass;
        double infinite;
    };
    for (const Row& row :
         {Row{.8,
              1,
              -2,
              {.040537836, .094389899, .183992937, .256578347, .243537311, .152221152},
              .028742519},
          Row{.6, 1, -1, {.148653245, .293079816, .332685221, .194074972}, .031506747},
          Row{.4,
              .5,
              -1,
              {.101421687, .415356732, .222238357, .111233661, .073288168, .052530086},
              .023931308},
          Row{.2,
              .5,
              -1,
              {.071054043, .666991966, .171170848, .048971483, .029249326},
              .012562334}}) {
        const auto pmf =
            discretise_replace(row.rate, row.sigma, 1.0, std::log(2.0) + log_ndtr(-0.9)).remove;
        SCOPED_TRACE(row.rate);
        EXPECT_NEAR(pmf.infinite, row.infinite, 1e-8);
        const auto shift = static_cast<std::size_t>(row.lowest - pmf.lowest);
        ASSERT_EQ(pmf.mass.size(), row.mass.size() + shift);
        double below = 0.0;
        for (std::size_t i = 0; i <= shift; ++i)
            below += pmf.mass[i];
        EXPECT_NEAR(below, row.mass[0], 1e-8);
        for (std::size_t i = 1; i < row.mass.size(); ++i)
            EXPECT_NEAR(pmf.mass[shift + i], row.mass[i], 1e-8) << i;
    }
}

// Oracle: hockey-stick divergence in closed form; the place of a loss by bisection of its
// definition.
TEST(ReplaceOne, MeetsTheTrueDeltaOnTheGridAndNeverLiesBelow)
{
    for (const auto& [q, sigma] : {std::pair{.3, .8}, {.01, .1}, {1e-5, .5}, {.7, 6.}}) {
        const double mu = 1.0 / sigma;
        const auto loss = [&](double z) {
            return std::log1p(q * std::expm1(-mu * (z + 0.5 * mu)))
                - std::log1p(q * std::expm1(-mu * (-z + 0.5 * mu)));
        };
        const auto exact = [&](double epsilon) {
            double low = -20.0, high = 20.0;
            for (int i = 0; i < 200; ++i)
                (loss(0.5 * (low + high)) > epsilon ? low : high) = 0.5 * (low + high);
            const double p = (1 - q) * ndtr(low) + q * ndtr(low + mu);
            const double r = (1 - q) * ndtr(low) + q * ndtr(low - mu);
            return p - std::exp(epsilon) * r;
        };
        const double step = sigma < .2 ? 1.0 / 16 : 1.0 / 64;
        const auto pmf = discretise_replace(q, sigma, step, -50).remove;
        for (int i = -40; i <= 200; ++i) {
            const double epsilon = i * step / 2;
            if (epsilon > loss(-12.0)) break;
            EXPECT_GE(delta_of(pmf, epsilon), exact(epsilon) - 1e-12) << q << ' ' << epsilon;
            if (i % 2 == 0) {
                EXPECT_NEAR(delta_of(pmf, epsilon), exact(epsilon), 1e-12) << q << ' ' << epsilon;
            }
        }
    }
}

// Oracle: DPA, 2.8434458.
TEST(ReplaceOne, EpsilonIsThePublishedOne)
{
    const Segment one = plain();
    const auto delta = Delta::literal(1e-5);
    const double replaced = pld_epsilon({&one, 1}, delta, Neighbours::ReplaceOne).value().value();
    EXPECT_NEAR(replaced, 2.8434458, 2e-4);
    EXPECT_DOUBLE_EQ(pld_epsilon({&one, 1}, delta, Neighbours::AddRemove).value().value(),
                     pld_epsilon({&one, 1}, delta).value().value());
    EXPECT_GE(rdp_epsilon({&one, 1}, delta, Neighbours::ReplaceOne).epsilon.value(), replaced);
    const auto curve = PldCurve::create(one.event, Neighbours::ReplaceOne).value();
    EXPECT_DOUBLE_EQ(curve.epsilon_after(one.steps, delta).value().value(), replaced);
}

// Oracle: without sampling a replacement moves the sum by 2.
TEST(ReplaceOne, WithoutSamplingIsAGaussianWithHalfTheNoise)
{
    const Segment one{event(1, 6), count(9)};
    const auto delta = Delta::literal(1e-6);
    EXPECT_NEAR(pld_epsilon({&one, 1}, delta, Neighbours::ReplaceOne).value().value(),
                gaussian_epsilon(delta, NoiseMultiplier::literal(1.0)).value(), 1e-12);
    const Segment nearly{event(1 - 1e-9, 6), count(9)};
    EXPECT_NEAR(pld_epsilon({&nearly, 1}, delta, Neighbours::ReplaceOne).value().value(),
                gaussian_epsilon(delta, NoiseMultiplier::literal(1.0)).value(), 5e-3);
}

// Oracle: quadrature of the divergence of the two mixtures.
TEST(ReplaceOne, RenyiBoundLiesAboveTheDivergence)
{
    struct Row {
        double rate, noise, order, exact;
    };
    for (const Row& row : {Row{.1, 1, 2, 0.0408272790241}, Row{.01, 2, 8, 0.000403165248383},
                           Row{.5, 3, 3.5, 0.189256555969}}) {
        const double bound = rdp_of(event(row.rate, row.noise), Steps::literal(1), row.order,
                                    Neighbours::ReplaceOne);
        EXPECT_GE(bound, row.exact) << row.rate;
        EXPECT_LE(bound, 4.0 * row.exact) << row.rate;
    }
}

// Oracle: DPA's pld_privacy_accountant_test and runs of it.
TEST(CappedDraw, GivesThePublishedEpsilon)
{
    const All small{capped(.5, 1, 4, 2, 3), capped(.5, 1, 3, 2, 2)};
    EXPECT_NEAR(epsilon_of(small, 1e-6), 17.904330, 1.8e-4);
    EXPECT_NEAR(delta_of(small, 17.904330), 1e-6, 1e-10);
    for (const auto& [cap, expected] :
         {std::pair{100, 10.7730076}, {128, 4.0128197}, {160, 1.8282665}}) {
        const All large{capped(.01, 1, 10'000, cap, 1000)};
        EXPECT_NEAR(epsilon_of(large, 1e-5), expected, 1e-4 * expected) << cap;
    }
}

TEST(CappedDraw, CostsNothingWhereTheCapIsNeverReached)
{
    const double uncapped = epsilon_of(spendings_of(std::vector{plain()}), 1e-5);
    for (const std::int64_t cap : {300, 9'999, 10'000, 50'000}) {
        const All tight{capped(.01, 1, 10'000, cap, 1000)};
        EXPECT_GE(epsilon_of(tight, 1e-5), uncapped * (1.0 - 1e-9)) << cap;
        EXPECT_NEAR(epsilon_of(tight, 1e-5), uncapped, 1e-7 * uncapped) << cap;
    }
}

// Below the mean draw a cap also makes the unit's being drawn rarer, so that both can win.
TEST(CappedDraw, AboveTheMeanNeverSpendsLessThanALargerCap)
{
    double before = kInfinity;
    for (const std::int64_t cap : {105, 115, 130, 145, 160, 175}) {
        const All tight{capped(.01, 2, 10'000, cap, 100)};
        const double now = epsilon_of(tight, 1e-6);
        EXPECT_LE(now, before * (1.0 + 1e-3)) << cap;
        before = now;
    }
}

TEST(CappedDraw, IsForAPublicNumberOfUnitsOnly)
{
    const All tight{capped(.01, 1, 10'000, 128, 10)};
    for (const auto relation : {Neighbours::AddRemove, Neighbours::ReplaceOne}) {
        const auto refused = composed_epsilon(tight, Delta::literal(1e-5), relation);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::InvalidArgument);
        EXPECT_FALSE(refused.error().hint.empty());
    }
    for (const auto& [units, cap] : {std::pair{0, 1}, {1, 0}, {-5, 3}, {7, -1}}) {
        const All bad{capped(.01, 1, units, cap, 10)};
        EXPECT_FALSE(composed_epsilon(bad, Delta::literal(1e-5))) << units << ' ' << cap;
    }
}

// Oracle: quadrature.
TEST(Laplace, RenyiDivergenceIsExact)
{
    struct Row {
        double scale, order, exact;
    };
    for (const Row& row : {Row{2, 1.5, 0.155977878485739}, Row{.3, 4, 3.14679473737324},
                           Row{20, 32, 0.0294605044526566}, Row{5, 1.1, 0.020590069775866}})
        EXPECT_NEAR(laplace_rdp(NoiseMultiplier::create(row.scale).value(), row.order), row.exact,
                    1e-13 * row.exact)
            << row.scale;
}

TEST(Laplace, RenyiDivergenceIsTotal)
{
    for (const double scale : {1e-308, 1e-5, 1.0, 1e9, 1e308})
        for (const double order : {1.0 + 1e-12, 2.0, 1e6, 1e300}) {
            const double value = laplace_rdp(NoiseMultiplier::create(scale).value(), order);
            EXPECT_GE(value, 0.0) << scale << ' ' << order;
            EXPECT_LE(value, 1.0 / scale) << scale << ' ' << order; // pure epsilon
        }
    EXPECT_EQ(laplace_rdp(NoiseMultiplier::literal(1.0), 1.0), kInfinity);
    EXPECT_EQ(laplace_rdp(NoiseMultiplier::literal(1.0), NAN), kInfinity);
}

// Oracle: 1 - e^((epsilon - 1/scale) / 2).
TEST(Laplace, OneReleaseIsExact)
{
    const All one{laplace(2.0, 1)};
    for (const double epsilon : {0.0, .1, .3, .49}) {
        const double exact = -std::expm1(0.5 * (epsilon - 0.5));
        EXPECT_NEAR(delta_of(one, epsilon), exact, 1e-8);
        EXPECT_GE(delta_of(one, epsilon), exact * (1.0 - 1e-12));
    }
    EXPECT_NEAR(epsilon_of(one, 1e-5), 0.5 + 2.0 * std::log1p(-1e-5), 1e-8);
    EXPECT_EQ(epsilon_of(one, .3), 0.0);
}

// Oracle: quadrature over both losses of delta of the first at what the second leaves.
TEST(Laplace, ComposesWithItselfAndWithAGaussian)
{
    const All two{laplace(1.0, 2)};
    const All mixed{{event(1, 2), count(1)}, laplace(1.0, 1)};
    for (const auto& [epsilon, exact] : {std::pair{0.0, 0.448180838242837},
                                         {0.5, 0.350495989981105},
                                         {1.0, 0.241836675359208},
                                         {1.5, 0.12384911904467}}) {
        EXPECT_GE(delta_of(two, epsilon), exact * (1.0 - 1e-12));
        EXPECT_NEAR(delta_of(two, epsilon), exact, 1e-7) << epsilon;
    }
    for (const auto& [epsilon, exact] : {std::pair{0.0, 0.414429606831297},
                                         {1.0, 0.114091350839526},
                                         {2.0, 0.00370454958498379}}) {
        EXPECT_GE(delta_of(mixed, epsilon), exact * (1.0 - 1e-12));
        EXPECT_NEAR(delta_of(mixed, epsilon), exact, 1e-7) << epsilon;
    }
}

// Oracle: DPA (from_laplace_mechanism with use_connect_dots).
TEST(Laplace, GivesThePublishedEpsilon)
{
    EXPECT_NEAR(epsilon_of({laplace(20.0, 50)}, 1e-5), 1.3072940, 1e-6);
    EXPECT_NEAR(epsilon_of({{plain().event, plain().steps}, laplace(5.0, 3)}, 1e-5), 2.1853346,
                1e-5);
}

TEST(Laplace, CountsTwiceWhenAUnitIsReplaced)
{
    const All wide{laplace(6.0, 4)};
    const All narrow{laplace(3.0, 4)};
    EXPECT_DOUBLE_EQ(epsilon_of(wide, 1e-3, Neighbours::ReplaceOne), epsilon_of(narrow, 1e-3));
}

// Oracle: DPA's pld_privacy_accountant_test: (1, .1) and (2, .2) are (3, .28).
TEST(Guarantee, TwoComposeAsPublished)
{
    const All both{guarantee(1.0, .1), guarantee(2.0, .2)};
    EXPECT_NEAR(delta_of(both, 3.0), .28, 1e-12);
    EXPECT_NEAR(epsilon_of(both, .28 * (1.0 + 1e-9)), 3.0, 1e-8);
    EXPECT_EQ(epsilon_of(both, .27), kInfinity);
}

TEST(Guarantee, OfNoProtectionIsInfinite)
{
    for (const auto& [epsilon, delta] : {std::pair{kInfinity, 0.0}, {1e9, 0.0}, {0.0, 1.0}}) {
        const All none{guarantee(epsilon, delta)};
        EXPECT_EQ(epsilon_of(none, 1e-5), kInfinity) << epsilon << ' ' << delta;
    }
    for (const double delta : {-0.1, 1.1, static_cast<double>(NAN)}) {
        const All bad{guarantee(1.0, delta)};
        EXPECT_FALSE(composed_epsilon(bad, Delta::literal(1e-5))) << delta;
        EXPECT_FALSE(composed_delta(bad, Epsilon::literal(1.0))) << delta;
    }
}

TEST(Composition, WithoutOtherMechanismsIsThatOfItsSegments)
{
    const Segment one = plain();
    EXPECT_EQ(epsilon_of(spendings_of(std::vector{one}), 1e-5),
              pld_epsilon({&one, 1}, Delta::literal(1e-5)).value().value());
    EXPECT_EQ(epsilon_of({}, 1e-5), 0.0);
}

TEST(Composition, BeyondReachIsRefusedAndNotGuessed)
{
    const All endless{{plain().event, plain().steps}, laplace(1e3, std::int64_t{1} << 62)};
    const auto refused = composed_epsilon(endless, Delta::literal(1e-5));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Unsupported);
    EXPECT_FALSE(composed_delta(endless, Epsilon::literal(1.0)));
}

// Oracle: DPA (_compute_rdp_repeat_and_select), whose divergences of one run are at most 0.5 %
// larger, since it sums without signs.
TEST(BestOfRuns, IsThePublishedEpsilon)
{
    const Segment one = plain();
    struct Row {
        double mean, shape, published;
    };
    for (const Row& row :
         {Row{1, 1, 2.11941}, Row{5, 1, 3.6858}, Row{10, 1, 4.10327}, Row{20, 1, 4.48072},
          Row{5, 0, 3.24336}, Row{10, .5, 3.8306}, Row{20, 2, 5.09106}, Row{10, kInfinity, 4.3295},
          Row{20, kInfinity, 6.29371}}) {
        const double epsilon =
            best_of_runs_epsilon({&one, 1}, {row.mean, row.shape}, Delta::literal(1e-5))
                .value()
                .epsilon.value();
        EXPECT_LE(epsilon, row.published * (1.0 + 1e-5)) << row.mean << ' ' << row.shape;
        EXPECT_GE(epsilon, row.published * (1.0 - 2e-3)) << row.mean << ' ' << row.shape;
    }
}

TEST(BestOfRuns, CostsAtLeastOneRunAndRefusesWhatIsNoDistribution)
{
    const Segment one = plain();
    const auto delta = Delta::literal(1e-5);
    const double single = rdp_epsilon({&one, 1}, delta).epsilon.value();
    for (const double mean : {1.0, 1.5, 1e3, 1e300})
        for (const double shape : {0.0, 1e-12, .5, 1.0, 30.0, kInfinity})
            EXPECT_GE(best_of_runs_epsilon({&one, 1}, {mean, shape}, delta).value().epsilon.value(),
                      single * (1.0 - 1e-12))
                << mean << ' ' << shape;
    for (const auto& [mean, shape] : {std::pair{.5, 1.},
                                      {static_cast<double>(NAN), 1.},
                                      {kInfinity, 1.},
                                      {2., -1.},
                                      {2., static_cast<double>(NAN)}})
        EXPECT_FALSE(best_of_runs_epsilon({&one, 1}, {mean, shape}, delta)) << mean << shape;
}

// Oracle: the sum delta (1 + e^epsilon + ... + e^((k-1) epsilon)) that the lemma comes from.
TEST(Group, DeltaIsTheGeometricSum)
{
    for (const double epsilon : {0.0, 1e-9, .3, 2.})
        for (const int units : {1, 2, 7, 40}) {
            double sum = 0.0;
            for (int i = 0; i < units; ++i)
                sum += 1e-30 * std::exp(epsilon * i);
            const double value = group_delta(Epsilon::create(epsilon).value(), 1e-30, units);
            EXPECT_NEAR(value, std::min(1.0, sum), 1e-12 * sum) << epsilon << ' ' << units;
        }
    EXPECT_EQ(group_delta(Epsilon::literal(1.0), 0.0, 9), 0.0);
    EXPECT_EQ(group_delta(Epsilon::literal(1.0), .3, 0), 1.0);
    EXPECT_EQ(group_delta(Epsilon::literal(1.0), NAN, 2), 1.0);
    EXPECT_EQ(group_delta(Epsilon::create(kInfinity).value(), 1e-9, 2), 1.0);
    EXPECT_EQ(group_delta(Epsilon::literal(1e300), 1e-9, INT64_MAX), 1.0);
}

// Oracle: k units together move one Gaussian by k, exactly.
TEST(Group, EpsilonLiesAboveTheExactOneOfAGaussian)
{
    const Segment one{event(1, 8), count(1)};
    const auto delta = Delta::literal(1e-6);
    for (const int units : {1, 2, 4}) {
        const double bound = group_epsilon({&one, 1}, delta, units).value().value();
        const double exact =
            gaussian_epsilon(delta, NoiseMultiplier::create(8.0 / units).value()).value();
        EXPECT_GE(bound, exact) << units;
        EXPECT_LE(bound, 1.3 * exact) << units;
    }
}

TEST(Group, IsInfiniteWhereNothingCanBeShownAndRefusesNoGroup)
{
    const Segment one = plain();
    EXPECT_EQ(group_epsilon({&one, 1}, Delta::literal(1e-5), 1000).value().value(), kInfinity);
    EXPECT_FALSE(group_epsilon({&one, 1}, Delta::literal(1e-5), 0));
    EXPECT_FALSE(group_epsilon({&one, 1}, Delta::literal(1e-13), 2));
}

// Oracle: DPA (conversion of 1.1 at orders 2 to 32; Gaussian with orders of .001).
TEST(RenyiConversion, IsThePublishedOne)
{
    double best = kInfinity;
    for (int order = 2; order <= 32; ++order)
        best = std::min(best, renyi_epsilon(1.1, order, 1e-5));
    EXPECT_NEAR(best, 1.32783806176, 1e-10);
    EXPECT_EQ(best, renyi_epsilon(1.1, 32, 1e-5));
    best = kInfinity;
    for (int k = 1001; k < 60'000; ++k) {
        const double order = 0.001 * k;
        best = std::min(best,
                        renyi_epsilon(rdp_of(event(1, 4.530877117), count(1), order), order, 1e-6));
    }
    EXPECT_NEAR(best, 1.0, 1e-6);
}

TEST(RenyiConversion, DeltaUndoesEpsilon)
{
    for (const double r : {1e-3, .2, 3.})
        for (const double order : {1.5, 4., 60.})
            for (const double delta : {1e-9, 1e-4}) {
                const double epsilon = renyi_epsilon(r, order, delta);
                if (epsilon == 0.0) continue;
                EXPECT_NEAR(renyi_log_delta(r, order, epsilon), std::log(delta), 1e-9);
            }
    EXPECT_EQ(renyi_log_delta(kInfinity, 2, 1.0), 0.0);
    EXPECT_EQ(renyi_epsilon(kInfinity, 2, 1e-5), kInfinity);
}

} // namespace
} // namespace velamen::privacy
