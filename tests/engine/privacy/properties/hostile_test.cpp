// SPDX-License-Identifier: GPL-3.0-or-later
//
// Numbers that nobody should type: always an error or a bound, never a crash, a hang or a negative
// value. Oracles: ranges, monotony in the steps, the Renyi bound, and the chance q T of ever being
// drawn.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/privacy/accountant.h"
#include "engine/privacy/calibration.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();
constexpr double kHuge = std::numeric_limits<double>::max();
constexpr std::int64_t kBillion = 1'000'000'000;

constexpr Neighbours kRelations[] = {Neighbours::ZeroOut, Neighbours::AddRemove,
                                     Neighbours::ReplaceOne};

Segment segment(double rate, double noise, std::int64_t steps)
{
    return {{SamplingRate::create(rate).value(), NoiseMultiplier::create(noise).value()},
            Steps::create(steps).value()};
}

TEST(HostileNumbers, AreNoQuantities)
{
    for (const double bad : {kNan, kInfinity, -kInfinity, 0.0, -1.0, -kTiny})
        EXPECT_FALSE(NoiseMultiplier::create(bad)) << bad;
    for (const double bad : {kNan, kInfinity, -kInfinity, 0.0, -.1, 1.0 + 1e-15, 2.0})
        EXPECT_FALSE(SamplingRate::create(bad)) << bad;
    for (const double bad : {kNan, kInfinity, -kInfinity, 0.0, 1.0, -1e-5, 2.0})
        EXPECT_FALSE(Delta::create(bad)) << bad;
    for (const double bad : {kNan, -kInfinity, -1e-300})
        EXPECT_FALSE(Epsilon::create(bad)) << bad;
    for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN})
        EXPECT_FALSE(Steps::create(bad)) << bad;
}

TEST(HostileNumbers, DeltaBelowTheResolutionIsRefusedEverywhere)
{
    const Segment one = segment(.01, 1, 10);
    const auto epsilon = Epsilon::literal(1.0);
    for (const double tiny : {kTiny, 1e-300, 9.9e-13}) {
        const auto delta = Delta::create(tiny).value();
        EXPECT_FALSE(pld_epsilon({&one, 1}, delta)) << tiny;
        EXPECT_FALSE(pld_epsilon({&one, 1}, delta, Neighbours::ReplaceOne)) << tiny;
        EXPECT_FALSE(calibrate_noise(epsilon, delta, one.event.rate, one.steps)) << tiny;
        EXPECT_FALSE(max_steps(epsilon, delta, one.event)) << tiny;
        EXPECT_FALSE(max_rate(epsilon, delta, one.event.noise, one.steps)) << tiny;
        EXPECT_GE(rdp_epsilon({&one, 1}, delta).epsilon.value(), 0.0) << tiny;
    }
}

TEST(HostileNumbers, EveryPlanHasANonNegativeBound)
{
    for (const auto relation : {Neighbours::ZeroOut, Neighbours::ReplaceOne})
        for (const double rate : {kTiny, .3, 1 - 1e-16, 1.0})
            for (const double noise : {kTiny, .2, kHuge})
                for (const std::int64_t steps : {std::int64_t{1}, kBillion, INT64_MAX}) {
                    const Segment one = segment(rate, noise, steps);
                    SCOPED_TRACE(testing::Message() << name_of(relation) << ' ' << rate << ' '
                                                    << noise << ' ' << steps);
                    const auto delta = Delta::literal(1e-7);
                    const auto epsilon = pld_epsilon({&one, 1}, delta, relation);
                    ASSERT_TRUE(epsilon);
                    EXPECT_GE(epsilon.value().value(), 0.0);
                    const auto bound = rdp_epsilon({&one, 1}, delta, relation).epsilon.value();
                    EXPECT_GE(bound, 0.0);
                    EXPECT_LE(epsilon.value().value(), bound * (1 + 1e-3) + 1e-6);
                }
}

TEST(HostileNumbers, DeltaIsAProbability)
{
    for (const auto relation : kRelations)
        for (const auto& one :
             {segment(kTiny, kTiny, 1), segment(.3, .3, 1), segment(1 - 1e-16, 2e-3, 7),
              segment(1, kHuge, INT64_MAX), segment(1e-6, 1, INT64_MAX)})
            for (const double epsilon : {0.0, kTiny, 1.0, 1e6, kHuge, kInfinity}) {
                const double delta =
                    pld_delta({&one, 1}, Epsilon::create(epsilon).value(), relation).value();
                EXPECT_GE(delta, 0.0) << epsilon;
                EXPECT_LE(delta, 1.0) << epsilon;
            }
}

// Oracle: without noise delta is the chance of ever being drawn.
TEST(HostileNumbers, HardlyAnyNoiseIsNoProtection)
{
    for (const auto relation : kRelations)
        for (const double noise : {kTiny, 1e-200, 1e-12}) {
            const Segment rare = segment(1e-3, noise, 10); // drawn with 1 %
            EXPECT_GT(pld_epsilon({&rare, 1}, Delta::literal(.0099), relation).value().value(),
                      1e6);
            EXPECT_EQ(pld_epsilon({&rare, 1}, Delta::literal(.0101), relation).value().value(),
                      0.0);
        }
}

TEST(HostileNumbers, ABillionStepsSpendMoreThanAMillion)
{
    for (const auto relation : {Neighbours::ZeroOut, Neighbours::ReplaceOne})
        for (const auto& [rate, noise] : {std::pair{1e-3, 50.0}, {1.0, 1e5}}) {
            const Segment less = segment(rate, noise, 1'000'000);
            const Segment more = segment(rate, noise, kBillion);
            const auto delta = Delta::literal(1e-6);
            EXPECT_GT(pld_epsilon({&more, 1}, delta, relation).value(),
                      pld_epsilon({&less, 1}, delta, relation).value())
                << rate << ' ' << noise;
        }
}

TEST(HostileTargets, AreMetOrRefusedWithAWayOut)
{
    const auto delta = Delta::literal(1e-5);
    const auto rate = SamplingRate::literal(.01);
    const auto noise = NoiseMultiplier::literal(1.0);
    const SubsampledGaussian loud{SamplingRate::literal(.5), NoiseMultiplier::literal(.2)};
    const auto spent = [&](SubsampledGaussian event, Steps count) {
        const Segment one{event, count};
        return pld_epsilon({&one, 1}, delta).value();
    };
    for (const double target : {0.0, 1e-6, 1e6, kInfinity}) {
        const auto epsilon = Epsilon::create(target).value();
        SCOPED_TRACE(target);
        for (const std::int64_t steps : {std::int64_t{1}, std::int64_t{1} << 40}) {
            const auto count = Steps::create(steps).value();
            if (const auto found = calibrate_noise(epsilon, delta, rate, count))
                EXPECT_LE(spent({rate, *found}, count), epsilon);
            else
                EXPECT_FALSE(found.error().hint.empty());
            if (const auto found = max_rate(epsilon, delta, noise, count))
                EXPECT_LE(spent({*found, noise}, count), epsilon);
            else
                EXPECT_FALSE(found.error().hint.empty());
        }
        if (const auto found = max_steps(epsilon, delta, loud))
            EXPECT_LE(spent(loud, *found), epsilon);
        else
            EXPECT_FALSE(found.error().hint.empty());
    }
}

TEST(HostileTargets, UnreachableOnesNameTheNearest)
{
    const auto refused = max_rate(Epsilon::literal(0.0), Delta::literal(1e-12),
                                  NoiseMultiplier::literal(1e-3), Steps::literal(INT64_MAX));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    EXPECT_NE(refused.error().hint.find("epsilon"), std::string::npos);
}

} // namespace
} // namespace velamen::privacy
