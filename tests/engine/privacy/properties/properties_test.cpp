// SPDX-License-Identifier: GPL-3.0-or-later
//
// Random plans in seconds: 10,000 for the closed forms, 300 for the PLD.

#include "tests/engine/privacy/properties/properties.h"

#include "engine/privacy/renyi.h"

namespace velamen::privacy {
namespace {

TEST(PldProperties, HoldFor300Plans)
{
    RandomPlans plan(20240607);
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
        plan.next();
        SCOPED_TRACE(testing::Message() << i << ": " << plan);
        check_pld(plan, i);
    }
}

TEST(PldProperties, CalibratedNoiseIsTheLeast)
{
    RandomPlans plan(77);
    for (int i = 0; i < 12 && !testing::Test::HasFailure(); ++i) {
        plan.next();
        plan.steps = std::min<std::int64_t>(plan.steps, 1000);
        SCOPED_TRACE(testing::Message() << i << ": " << plan);
        check_calibration(plan);
    }
}

// Convexity of log A and its order: the divergence rises with the order, the steps, the rate and
// less noise; a replacement diverges at least as much.
TEST(RdpProperties, HoldFor10000Plans)
{
    RandomPlans plan(11);
    const auto orders = renyi_orders();
    for (int i = 0; i < 10'000 && !testing::Test::HasFailure(); ++i) {
        plan.next();
        SCOPED_TRACE(testing::Message() << i << ": " << plan);
        const auto at =
            static_cast<std::size_t>(plan.between(0.0, static_cast<double>(orders.size()) - 1.001));
        const double more = 1.0 + plan.between(1e-6, 0.5), order = orders[at];
        const auto rdp = [&](double rate, double noise, std::int64_t steps, double alpha) {
            const Segment one = segment_of(rate, noise, steps);
            return rdp_of(one.event, one.steps, alpha, plan.relation);
        };
        const double value = rdp(plan.rate, plan.noise, plan.steps, order);
        const double least = value * (1.0 - 1e-9), most = value * (1.0 + 1e-9);
        EXPECT_GE(value, 0.0);
        EXPECT_GE(rdp(plan.rate, plan.noise, plan.steps + 1, order), least);
        EXPECT_GE(rdp(std::min(1.0, plan.rate * more), plan.noise, plan.steps, order), least);
        EXPECT_LE(rdp(plan.rate, plan.noise * more, plan.steps, order), most);
        const Segment one = segment_of(plan.rate, plan.noise, plan.steps);
        EXPECT_GE(rdp_of(one.event, one.steps, order, Neighbours::ReplaceOne),
                  rdp_of(one.event, one.steps, order) * (1.0 - 1e-9));
        if (plan.relation != Neighbours::ZeroOut) continue; // the bound by triangles need not rise
        EXPECT_GE(rdp(plan.rate, plan.noise, plan.steps, orders[at + 1]), least);
    }
}

TEST(RdpProperties, EpsilonOf1000PlansFallsWithDeltaAndNoise)
{
    RandomPlans plan(12);
    for (int i = 0; i < 1000 && !testing::Test::HasFailure(); ++i) {
        plan.next();
        SCOPED_TRACE(testing::Message() << i << ": " << plan);
        const double more = 1.0 + plan.between(1e-6, 0.5);
        const auto epsilon = [&](double noise, double delta) {
            const Segment one = segment_of(plan.rate, noise, plan.steps);
            return rdp_epsilon({&one, 1}, Delta::create(delta).value(), plan.relation)
                .epsilon.value();
        };
        const double value = epsilon(plan.noise, plan.delta);
        EXPECT_GE(value, 0.0);
        EXPECT_LE(epsilon(plan.noise * more, plan.delta), value * (1.0 + 1e-9) + 1e-12);
        EXPECT_LE(epsilon(plan.noise, plan.delta * more), value * (1.0 + 1e-9) + 1e-12);
    }
}

// The conversion there and back, and of one exact Gaussian.
TEST(Conversions, HoldFor10000Plans)
{
    RandomPlans plan(13);
    for (int i = 0; i < 10'000 && !testing::Test::HasFailure(); ++i) {
        plan.next();
        SCOPED_TRACE(testing::Message() << i << ": " << plan);
        const double r = std::pow(10.0, plan.between(-6.0, 2.0));
        const double order = 1.0 + std::pow(10.0, plan.between(-1.0, 3.0));
        const double epsilon = renyi_epsilon(r, order, plan.delta);
        EXPECT_GE(epsilon, 0.0);
        EXPECT_GE(renyi_epsilon(r * 1.1, order, plan.delta), epsilon);
        EXPECT_LE(renyi_epsilon(r, order, plan.delta * 1.1), epsilon);
        if (epsilon > 0.0) {
            EXPECT_LE(renyi_log_delta(r, order, epsilon), std::log(plan.delta) + 1e-9);
        }
        const auto sigma = NoiseMultiplier::create(plan.noise).value();
        const auto exact = gaussian_epsilon(Delta::create(plan.delta).value(), sigma);
        EXPECT_LE(gaussian_delta(exact.value(), sigma), plan.delta);
        if (exact.value() > 1e-9) {
            EXPECT_GT(gaussian_delta(exact.value() * (1.0 - 1e-6), sigma), plan.delta);
        }
        EXPECT_LE(exact.value(),
                  renyi_epsilon(0.5 * order / plan.noise / plan.noise, order, plan.delta)
                      * (1.0 + 1e-9));
    }
}

} // namespace
} // namespace velamen::privacy
