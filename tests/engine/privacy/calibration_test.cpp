// SPDX-License-Identifier: GPL-3.0-or-later
//
// The free number of a plan: never above the target, and close to it. Oracle: the accountant, and
// DPA (dp_accounting), JAX-P (jax_privacy) for published numbers.

#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "engine/privacy/accountant.h"
#include "engine/privacy/calibration.h"

namespace velamen::privacy {
namespace {

double spent(double rate, double noise, std::int64_t steps, double delta)
{
    const Segment one{{SamplingRate::create(rate).value(), NoiseMultiplier::create(noise).value()},
                      Steps::create(steps).value()};
    return pld_epsilon({&one, 1}, Delta::create(delta).value()).value().value();
}

Result<NoiseMultiplier> noise_for(double target, double delta, double rate, std::int64_t steps)
{
    return calibrate_noise(Epsilon::create(target).value(), Delta::create(delta).value(),
                           SamplingRate::create(rate).value(), Steps::create(steps).value());
}

struct Published {
    const char* name;
    double rate;
    std::int64_t steps;
    double delta, epsilon, noise;
};

class PublishedNoise : public testing::TestWithParam<Published> {};

// The search returns the upper end of an interval that is 1e-4 wide.
TEST_P(PublishedNoise, IsReproduced)
{
    const auto& p = GetParam();
    EXPECT_NEAR(noise_for(p.epsilon, p.delta, p.rate, p.steps).value().value(), p.noise,
                1.5e-4 * p.noise);
}

INSTANTIATE_TEST_SUITE_P(
    Vectors, PublishedNoise,
    testing::Values(Published{"Opacus", .04, 2250, 1e-5, 8, 1.345899},        // DPA
                    Published{"OpacusShorter", .04, 2000, 1e-5, 8, 1.289968}, // DPA
                    Published{"SingleStep", .01, 1, 1e-5, 1, 0.67379294682},  // DPA's test
                    Published{"JaxPrivacy", .1, 512, 1e-6, 1, 9.661829},      // JAX-P
                    Published{"Ten", .02, 2000, 1e-5, 10, .771431},           // DPA
                    Published{"TenDense", .1, 1000, 1e-5, 10, 1.748959},      // DPA
                    Published{"OneDense", .0512, 1000, 1e-5, 1, 6.130976},    // DPA
                    Published{"One", .01, 1000, 1e-5, 1, 1.414631},           // DPA
                    Published{"Gaussian", 1, 1, 1e-5, 1, 3.730632},           // Balle and Wang
                    Published{"GaussianEight", 1, 1, 1e-5, 8, .600229}),      // Balle and Wang
    [](const auto& vector) { return vector.param.name; });

TEST(Calibration, NoiseNeverSpendsMoreThanTheTargetAndHardlyLess)
{
    std::mt19937 random(77);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    for (int i = 0; i < 6; ++i) {
        const double rate = std::pow(10.0, -3.0 + 2.5 * uniform(random));
        const auto steps = static_cast<std::int64_t>(std::pow(10.0, 1.0 + 2.5 * uniform(random)));
        const double delta = std::pow(10.0, -7.0 + 3.0 * uniform(random));
        const double target = std::pow(10.0, -0.5 + 1.2 * uniform(random));
        SCOPED_TRACE(testing::Message() << rate << ' ' << steps << ' ' << delta << ' ' << target);
        const double noise = noise_for(target, delta, rate, steps).value().value();
        EXPECT_LE(spent(rate, noise, steps, delta), target);
        EXPECT_GT(spent(rate, noise * (1 - 1e-3), steps, delta), target);
    }
}

TEST(Calibration, NoiseIsAbsentOnlyWhereNoneIsNeeded)
{
    EXPECT_LE(noise_for(std::numeric_limits<double>::infinity(), 1e-5, 1, 10).value().value(),
              0.01);
    EXPECT_LE(noise_for(1, .5, 1e-6, 1).value().value(), 0.01); // hardly ever drawn
}

TEST(Calibration, UnreachableTargetIsRefusedWithTheNearest)
{
    const auto refused = noise_for(0, 1e-12, 1, 1'000'000'000'000'000'000);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    EXPECT_NE(refused.error().hint.find("nearest"), std::string::npos);
}

TEST(Calibration, BadDeltaIsAnError)
{
    const auto refused = noise_for(1, 1e-15, .1, 10);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::InvalidArgument);
}

// Oracle: JAX-P doctest (155 steps).
TEST(Calibration, StepsAreTheMostThatFit)
{
    const SubsampledGaussian event{SamplingRate::literal(.1), NoiseMultiplier::literal(3.0)};
    const auto steps =
        max_steps(Epsilon::literal(2.0), Delta::literal(1e-6), event).value().value();
    EXPECT_EQ(steps, 155);
    EXPECT_LE(spent(.1, 3, steps, 1e-6), 2.0);
    EXPECT_GT(spent(.1, 3, steps + 1, 1e-6), 2.0);
}

TEST(Calibration, StepsOfPlansWithoutSamplingAreExact)
{
    const SubsampledGaussian event{SamplingRate::literal(1.0), NoiseMultiplier::literal(50.0)};
    const auto steps =
        max_steps(Epsilon::literal(3.0), Delta::literal(1e-5), event).value().value();
    EXPECT_LE(spent(1, 50, steps, 1e-5), 3.0);
    EXPECT_GT(spent(1, 50, steps + 1, 1e-5), 3.0);
}

TEST(Calibration, NotEvenOneStepIsRefused)
{
    const SubsampledGaussian event{SamplingRate::literal(1.0), NoiseMultiplier::literal(.5)};
    const auto refused = max_steps(Epsilon::literal(1.0), Delta::literal(1e-5), event);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    EXPECT_NE(refused.error().hint.find("10.00"), std::string::npos); // 9.997 rounded up
}

TEST(Calibration, RateIsTheLargestThatFits)
{
    const auto noise = NoiseMultiplier::literal(1.414631);
    const double rate =
        max_rate(Epsilon::literal(1.0), Delta::literal(1e-5), noise, Steps::literal(1000))
            .value()
            .value();
    EXPECT_NEAR(rate, .01, 2e-6);
    EXPECT_LE(spent(rate, 1.414631, 1000, 1e-5), 1.0);
    EXPECT_GT(spent(rate * (1 + 1e-3), 1.414631, 1000, 1e-5), 1.0);
}

TEST(Calibration, RateIsOneWhereSamplingIsNotNeeded)
{
    EXPECT_EQ(max_rate(Epsilon::literal(1.0), Delta::literal(1e-5), NoiseMultiplier::literal(4.0),
                       Steps::literal(1))
                  .value()
                  .value(),
              1.0);
}

TEST(JointNoise, IsOneGaussianWithTheSumOfThePrecisions)
{
    const double joint =
        joint_noise(NoiseMultiplier::literal(1.0), NoiseMultiplier::literal(8.0)).value();
    EXPECT_NEAR(joint, 1.0 / std::sqrt(1.0 + 1.0 / 64.0), 1e-15);
    EXPECT_NEAR(spent(.02, joint, 2000, 1e-5), 5.702, 1e-3); // DPA
}

TEST(JointNoise, GradientNoiseUndoesItWithoutEverBeingTooSmall)
{
    std::mt19937 random(5);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    for (int i = 0; i < 1000; ++i) {
        const auto effective = NoiseMultiplier::create(std::pow(10.0, 3 * uniform(random))).value();
        const auto scalar =
            NoiseMultiplier::create(effective.value() * (1.0001 + 20 * uniform(random))).value();
        const auto gradient = gradient_noise(effective, scalar).value();
        EXPECT_GE(joint_noise(gradient, scalar), effective);
        EXPECT_NEAR(joint_noise(gradient, scalar).value(), effective.value(),
                    1e-12 * effective.value());
    }
}

TEST(JointNoise, CannotExceedTheScalarsNoise)
{
    const auto eight = NoiseMultiplier::literal(8.0);
    EXPECT_FALSE(gradient_noise(eight, eight));
    EXPECT_FALSE(gradient_noise(NoiseMultiplier::literal(9.0), eight));
}

TEST(Neighbours, NamesAreReadBack)
{
    for (const auto relation : {Neighbours::ZeroOut, Neighbours::AddRemove})
        EXPECT_EQ(neighbours_of(name_of(relation)).value(), relation);
    EXPECT_FALSE(neighbours_of("replace_one"));
}

} // namespace
} // namespace velamen::privacy
