// SPDX-License-Identifier: GPL-3.0-or-later
//
// One table of published numbers: epsilon by both accountants, noise and steps by calibration, and
// exact Gaussians. Oracles: DPA is google/differential-privacy dp_accounting 0.6 (PLD at h = 1e-4),
// TFP tensorflow/privacy, Opacus, JAX-P jax_privacy, PRV microsoft/prv_accountant; "exact" is
// quadrature of the definition, or Balle and Wang.

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/privacy/accountant.h"
#include "engine/privacy/calibration.h"

namespace velamen::privacy {
namespace {

/// Fields at 0 are not published. Tolerances are relative.
struct Expected {
    double pld = 0.0;
    double rdp = 0.0;
    double unsigned_rdp = 0.0; ///< DPA's sum without signs: an upper bound of ours
    double order = 0.0;        ///< that gives the Renyi bound
    double prv_upper = 0.0;    ///< PRV's upper end; its lower end is 0.02 below
    double gdp = 0.0;          ///< what the CLT claims: too small, never to be reached
    double exact = 0.0;        ///< without sampling
    double noise_at = 0.0;     ///< epsilon for which calibration gives `noise`
    double steps_at = 0.0;     ///< epsilon for which calibration gives `steps`
    double pld_tolerance = 1e-4, rdp_tolerance = 1e-3;
};

struct Vector {
    const char* name;
    double rate, noise;
    std::int64_t steps;
    double delta;
    Expected expected;
};

class PublishedVector : public testing::TestWithParam<Vector> {
protected:
    const Expected& v = GetParam().expected;
    Delta delta = Delta::create(GetParam().delta).value();
    SubsampledGaussian event{SamplingRate::create(GetParam().rate).value(),
                             NoiseMultiplier::create(GetParam().noise).value()};
    Segment segment{event, Steps::create(GetParam().steps).value()};
};

TEST_P(PublishedVector, Pld)
{
    const double epsilon = pld_epsilon({&segment, 1}, delta).value().value();
    if (v.pld > 0.0) {
        EXPECT_NEAR(epsilon, v.pld, v.pld * v.pld_tolerance);
    }
    if (v.prv_upper > 0.0) {
        EXPECT_LE(epsilon, v.prv_upper);
        EXPECT_GE(epsilon, v.prv_upper - 0.02);
    }
    if (v.exact > 0.0) {
        EXPECT_NEAR(epsilon, v.exact, 1e-6 * (1.0 + v.exact));
    }
    EXPECT_GT(epsilon, v.gdp);
}

TEST_P(PublishedVector, Rdp)
{
    const RdpBound bound = rdp_epsilon({&segment, 1}, delta);
    if (v.rdp > 0.0) {
        EXPECT_NEAR(bound.epsilon.value(), v.rdp, v.rdp * v.rdp_tolerance);
    }
    if (v.unsigned_rdp > 0.0) {
        EXPECT_LE(bound.epsilon.value(), v.unsigned_rdp);
    }
    if (v.order > 0.0) {
        EXPECT_EQ(bound.order, v.order);
    }
    EXPECT_GE(bound.epsilon, pld_epsilon({&segment, 1}, delta).value());
}

// The search for noise returns the upper end of an interval that is 1e-4 wide.
TEST_P(PublishedVector, Calibration)
{
    if (v.noise_at > 0.0) {
        const auto target = Epsilon::create(v.noise_at).value();
        const auto noise = calibrate_noise(target, delta, event.rate, segment.steps).value();
        EXPECT_NEAR(noise.value(), GetParam().noise, 1.5e-4 * GetParam().noise);
        const Segment found{{event.rate, noise}, segment.steps};
        EXPECT_LE(pld_epsilon({&found, 1}, delta).value(), target);
    }
    if (v.steps_at > 0.0) {
        EXPECT_EQ(max_steps(Epsilon::create(v.steps_at).value(), delta, event).value(),
                  segment.steps);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Table, PublishedVector,
    testing::Values(
        Vector{"OpacusTest", .04, 1.5, 2250, 1e-5, {.rdp = 7.32911117143}},
        Vector{"OpacusFloorOfSteps",
               .04,
               1.5,
               2249,
               1e-5,
               {.pld = 6.767051, .prv_upper = 6.777395712, .gdp = 6.60}},
        Vector{"OpacusNoise", .04, 1.345899, 2250, 1e-5, {.pld = 8, .noise_at = 8}},   // DPA
        Vector{"OpacusNoiseRdp", .04, 1.415874, 2250, 1e-5, {.rdp = 8}},               // DPA
        Vector{"OpacusNoisePrv", .04, 1.34765625, 2250, 1e-5, {.prv_upper = 8}},       // Opacus
        Vector{"OpacusNoiseGdp", .04, 1.3232421875, 2250, 1e-5, {.gdp = 8}},           // Opacus
        Vector{"OpacusShorter", .04, 1.289968, 2000, 1e-5, {.pld = 8, .noise_at = 8}}, // DPA
        Vector{"OpacusShorterRdp", .04, 1.3562, 2000, 1e-5, {.rdp = 8}},               // Opacus
        Vector{"OpacusShorterPrv", .04, 1.2915, 2000, 1e-5, {.prv_upper = 8}},         // Opacus
        Vector{"TfpMnist",
               150. / 60000,
               1.3,
               6000,
               1e-5,
               {.pld = .640111, .rdp = 0.7242234026, .order = 19}},
        Vector{"TfpRare",
               100. / 100000,
               1.0,
               30000,
               1e-7,
               {.pld = 1.098199, .rdp = 1.4154988495, .order = 13}},
        Vector{"TfpSmallNoise",
               .01,
               0.7,
               120,
               1e-5,
               {.pld = 2.4612381,
                .rdp = 3.2391922,
                .unsigned_rdp = 3.2392676,
                .gdp = 1.063,
                .rdp_tolerance = 1e-6}},
        Vector{"TfpMicrobatches",
               .01,
               0.35,
               120,
               1e-5,
               {.pld = 18.6977407,
                .rdp = 22.597036,
                .unsigned_rdp = 22.6248601,
                .rdp_tolerance = 1e-7}},
        Vector{"TfpUnsampled", 1, 0.7, 2, 1e-5, {.pld = 10.1224946, .rdp = 10.8602036}},
        Vector{"TfpUnsampledHalf", 1, 0.35, 2, 1e-5, {.pld = 24.7160779, .rdp = 26.2880374}},
        Vector{"TfpStatement",
               .0064,
               1.0,
               782,
               1e-6,
               {.pld = 1.199,
                .rdp = 1.616,
                .pld_tolerance = 4.2e-4,
                .rdp_tolerance = 3.1e-4}},                             // three decimals
        Vector{"DpaGaussianRdp", 1, 4.530877117, 1, 1e-6, {.rdp = 1}}, // DPA has finer orders
        Vector{"DpaCoarse", .2, .5, 3, 0.15594, {.pld = 1, .pld_tolerance = 1e-3}},
        Vector{"DpaComposedGaussian", 1, 1.7320508075688772, 3, 0.126936, {.pld = 1}},
        Vector{"DpaSingleStep", .01, 0.67379294682, 1, 1e-5, {.pld = 1, .noise_at = 1}},
        Vector{"DpaSensitivitySix", .001, 3.20956502598 / 6, 25, 1e-5, {.pld = 1, .noise_at = 1}},
        Vector{"JaxPrivacy", .1, 3, 512, 1e-6, {.pld = 3.769687}},
        Vector{"JaxPrivacyNoise", .1, 9.661829, 512, 1e-6, {.pld = 1, .noise_at = 1}},
        Vector{"JaxPrivacySteps", .1, 3, 155, 1e-6, {.steps_at = 2}},
        Vector{"PrvReadme",
               .005,
               0.8,
               1000,
               1e-6,
               {.pld = 2.004112, .rdp = 2.626536, .prv_upper = 2.014295}},
        Vector{"PrvTest", .00256, 0.9, 4900, 1e-5, {.pld = 1.139973, .rdp = 1.486609}},
        Vector{
            "LowNoiseLevel", .01, 4, 10000, 1e-5, {.pld = .946999, .rdp = 1.035490, .order = 17}},
        Vector{"Plain", .01, 1, 1000, 1e-5, {.pld = 1.828244}},
        Vector{"Half", .5, 5, 500, 1e-5, {.pld = 11.643952, .rdp = 12.492460}},
        Vector{"Quarter",
               .25,
               8,
               2000,
               1e-4,
               {.pld = 5.729716, .rdp = 6.265495, .unsigned_rdp = 6.278749, .rdp_tolerance = 1e-6}},
        // DPA: a tilt or a Chernoff order for normal tails would ask for enormous windows here
        Vector{"RareDraws", .000795, .9019, 4019, 9.38e-7, {.pld = .3510132}},
        Vector{
            "RarerDraws", .000381, .84197, 4081, 2.65e-4, {.pld = .0984012, .pld_tolerance = 5e-4}},
        Vector{"CalibratedTen", .02, .771431, 2000, 1e-5, {.pld = 10, .noise_at = 10}},
        Vector{"CalibratedTenDense", .1, 1.748959, 1000, 1e-5, {.pld = 10, .noise_at = 10}},
        Vector{"CalibratedOneDense", .0512, 6.130976, 1000, 1e-5, {.pld = 1, .noise_at = 1}},
        Vector{"CalibratedOne", .01, 1.414631, 1000, 1e-5, {.pld = 1, .noise_at = 1}},
        Vector{"Gaussian", 1, 1, 1, 1e-5, {.exact = 4.377178}},
        Vector{"GaussianHalf", 1, .5, 1, 1e-5, {.exact = 9.997256}},
        Vector{"GaussianTen", 1, 10, 1, 1e-6, {.exact = 0.396857}},
        Vector{"GaussianOne", 1, 3.730632, 1, 1e-5, {.exact = 1, .noise_at = 1}},
        Vector{"GaussianEight", 1, .600229, 1, 1e-5, {.exact = 8, .noise_at = 8}}),
    [](const auto& vector) { return vector.param.name; });

// Oracle: DPA's rdp test. Integer orders are its values; fractional ones are quadrature, since DPA
// sums without signs there and its expectations are only upper bounds.
TEST(RenyiDivergence, EqualsTheDefinition)
{
    const SubsampledGaussian event{SamplingRate::literal(.01), NoiseMultiplier::literal(2.5)};
    struct Row {
        double order, exact, published;
    };
    for (const Row& row :
         {Row{1.5, 6.500708972e-4, 6.70579741e-4}, Row{2.5, 1.085418057e-3, 1.08548710e-3},
          Row{5, 2.18075656e-3, 2.18075656e-3}, Row{50, 2.38460375e-2, 2.38460375e-2},
          Row{100, 167.416308, 167.416308}}) {
        const double value = rdp_of(event, Steps::literal(50), row.order);
        EXPECT_NEAR(value, row.exact, 1e-6 * row.exact) << row.order;
        EXPECT_LE(value, row.published * (1.0 + 1e-8)) << row.order;
    }
}

// Oracle: DPA, both for equal and unequal parts of q = .01, sigma = 1, 500 and q = .02, sigma =
// 1.5, 500.
TEST(PublishedPlans, OfDifferentSegments)
{
    const std::array both{
        Segment{{SamplingRate::literal(.01), NoiseMultiplier::literal(1.0)}, Steps::literal(500)},
        Segment{{SamplingRate::literal(.02), NoiseMultiplier::literal(1.5)}, Steps::literal(500)}};
    const auto delta = Delta::literal(1e-5);
    EXPECT_NEAR(pld_epsilon(both, delta).value().value(), 1.897483, 1.9e-4);
    EXPECT_NEAR(rdp_epsilon(both, delta).epsilon.value(), 2.147668, 1e-3);
    EXPECT_EQ(rdp_epsilon(both, delta).order, 8.0);
}

} // namespace
} // namespace velamen::privacy
