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

TEST(Calibration, NoiseIsAbsentOnlyWhereNoneIsNeeded)
{
    EXPECT_LE(noise_for(std::numeric_limits<double>::infinity(), 1e-5, 1, 10).value().value(),
              0.01);
    EXPECT_LE(noise_for(1, .5, 1e-6, 1).value().value(), 0.01); // hardly ever drawn
}

// Rare and frequent draws, short and long runs: within the target, and not with a thousandth less.
TEST(Calibration, NoiseIsTheLeastThatFits)
{
    struct Row {
        double target, delta, rate;
        std::int64_t steps;
    };
    for (const Row& row :
         {Row{2, 1e-5, .01, 1000}, Row{.05, 1e-5, .01, 1000}, Row{7, 1e-5, .5, 500},
          Row{1, 1e-7, .001, 30'000}, Row{1, 1e-9, .0003, 100'000}, Row{30, 1e-6, .2, 10},
          Row{.5, 1e-3, .05, 3}}) {
        SCOPED_TRACE(testing::Message() << row.target << ' ' << row.rate << ' ' << row.steps);
        const double noise = noise_for(row.target, row.delta, row.rate, row.steps).value().value();
        EXPECT_LE(spent(row.rate, noise, row.steps, row.delta), row.target);
        EXPECT_GT(spent(row.rate, noise * (1 - 1e-3), row.steps, row.delta), row.target);
    }
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

TEST(Calibration, StepsAreTheMostThatFit)
{
    const SubsampledGaussian event{SamplingRate::literal(.1), NoiseMultiplier::literal(3.0)};
    const auto steps =
        max_steps(Epsilon::literal(2.0), Delta::literal(1e-6), event).value().value();
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

// Plans whose epsilon is that of add_remove must not be read as replace_one.
TEST(Neighbours, NamesAreReadBack)
{
    for (const auto relation : {Neighbours::ZeroOut, Neighbours::AddRemove}) {
        EXPECT_EQ(neighbours_of(name_of(relation)).value(), relation);
        EXPECT_EQ(any_neighbours_of(name_of(relation)).value(), relation);
    }
    EXPECT_FALSE(neighbours_of("replace_one"));
    EXPECT_EQ(any_neighbours_of("replace_one").value(), Neighbours::ReplaceOne);
    EXPECT_EQ(name_of(Neighbours::ReplaceOne), "replace_one");
    EXPECT_FALSE(any_neighbours_of("replace"));
}

TEST(Calibration, ReplacingNeedsMoreNoiseAndAllowsLess)
{
    const auto one = Epsilon::literal(1.0);
    const auto delta = Delta::literal(1e-5);
    const auto rate = SamplingRate::literal(.01);
    const auto steps = Steps::literal(1000);
    const auto noise = calibrate_noise(one, delta, rate, steps, Neighbours::ReplaceOne).value();
    EXPECT_GT(noise.value(), 1.414631); // what zero_out needs
    const Segment found{{rate, noise}, steps};
    EXPECT_LE(pld_epsilon({&found, 1}, delta, Neighbours::ReplaceOne).value(), one);
    EXPECT_LE(max_steps(one, delta, {rate, noise}, Neighbours::ReplaceOne).value(),
              Steps::literal(1002));
    EXPECT_GE(max_steps(one, delta, {rate, noise}, Neighbours::ReplaceOne).value(), steps);
    EXPECT_NEAR(max_rate(one, delta, noise, steps, Neighbours::ReplaceOne).value().value(), .01,
                3e-6);
}

} // namespace
} // namespace velamen::privacy
