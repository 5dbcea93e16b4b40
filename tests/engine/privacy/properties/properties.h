// SPDX-License-Identifier: GPL-3.0-or-later
//
// What must hold for every plan, checked on random ones. Every comparison is a theorem; the slack
// is the tolerance of the grid. Shared by the short and the long run.

#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "engine/privacy/accountant.h"
#include "engine/privacy/calibration.h"

namespace velamen::privacy {

/// Plans from a fixed seed: rates 3e-4 to 1, noise 0.6 to 10, 1 to 10,000 steps, delta 1e-9 to
/// 0.01.
class RandomPlans {
public:
    explicit RandomPlans(std::uint32_t seed) : random_(seed) {}

    void next()
    {
        rate = std::min(1.0, std::pow(10.0, between(-3.5, 0.05)));
        noise = std::pow(10.0, between(-0.2, 1.0));
        steps = static_cast<std::int64_t>(std::pow(10.0, between(0.0, 4.0)));
        delta = std::pow(10.0, between(-9.0, -2.0));
        relation = between(0.0, 1.0) < 0.2 ? Neighbours::ReplaceOne : Neighbours::ZeroOut;
    }
    double between(double low, double high)
    {
        return std::uniform_real_distribution<double>(low, high)(random_);
    }

    double rate = 1.0, noise = 1.0, delta = 0.5;
    std::int64_t steps = 1;
    Neighbours relation = Neighbours::ZeroOut;

private:
    std::mt19937 random_;
};

inline std::ostream& operator<<(std::ostream& out, const RandomPlans& p)
{
    return out << name_of(p.relation) << " q " << p.rate << " sigma " << p.noise << " T " << p.steps
               << " delta " << p.delta;
}

inline Segment segment_of(double rate, double noise, std::int64_t steps)
{
    return {{SamplingRate::create(rate).value(), NoiseMultiplier::create(noise).value()},
            Steps::create(steps).value()};
}

inline double pld(const RandomPlans& p, double rate, double noise, std::int64_t steps, double delta)
{
    const Segment one = segment_of(rate, noise, steps);
    return pld_epsilon({&one, 1}, Delta::create(delta).value(), p.relation).value().value();
}

/// One of the properties of the PLD accountant for the plan; `which` counts through all of them.
inline void check_pld(RandomPlans& p, int which)
{
    const double epsilon = pld(p, p.rate, p.noise, p.steps, p.delta);
    const double most = epsilon * (1.0 + 1e-3) + 2e-6, least = epsilon * (1.0 - 1e-3) - 2e-6;
    const Segment one = segment_of(p.rate, p.noise, p.steps);
    const auto delta = Delta::create(p.delta).value();
    EXPECT_GE(epsilon, 0.0);
    EXPECT_LE(epsilon,
              rdp_epsilon({&one, 1}, delta, p.relation).epsilon.value() * (1 + 1e-3) + 2e-6);
    const double more = 1.0 + p.between(1e-6, 0.5);
    switch (which % 8) {
    case 0: // more steps
        EXPECT_GE(pld(p, p.rate, p.noise, p.steps + 1 + p.steps / 10, p.delta), least);
        break;
    case 1: // more often drawn
        EXPECT_GE(pld(p, std::min(1.0, p.rate * more), p.noise, p.steps, p.delta), least);
        break;
    case 2: // more noise
        EXPECT_LE(pld(p, p.rate, p.noise * more, p.steps, p.delta), most);
        break;
    case 3: // more delta
        EXPECT_LE(pld(p, p.rate, p.noise, p.steps, p.delta * more), most);
        break;
    case 4: { // there and back: epsilon comes from a grid up to 0.1 % fine, delta from one to 1 %
        if (!(epsilon > 1e-3)) break;
        const auto back =
            pld_delta({&one, 1}, Epsilon::create(epsilon).value(), p.relation).value();
        EXPECT_LE(back, p.delta * 1.03);
        EXPECT_GE(pld(p, p.rate, p.noise, p.steps, back / 1.03), epsilon * (1.0 - 1e-6));
        break;
    }
    case 5: { // without sampling: one Gaussian with noise sigma / (distance sqrt(T))
        const double distance = p.relation == Neighbours::ReplaceOne ? 2.0 : 1.0;
        const double sigma = p.noise / std::sqrt(static_cast<double>(p.steps)) / distance;
        const double exact =
            gaussian_epsilon(delta, NoiseMultiplier::create(sigma).value()).value();
        EXPECT_NEAR(pld(p, 1.0, p.noise, p.steps, p.delta), exact, 1e-9 * exact);
        EXPECT_LE(epsilon, exact * (1.0 + 1e-3) + 2e-6); // sampling never costs
        break;
    }
    case 6: { // the same steps as two segments that are not recognised as equal
        if (p.steps < 2) break;
        const std::int64_t first = p.steps / 2;
        const Segment parts[] = {segment_of(p.rate, p.noise, first),
                                 segment_of(p.rate, p.noise * (1 + 1e-13), p.steps - first)};
        EXPECT_NEAR(pld_epsilon(parts, delta, p.relation).value().value(), epsilon,
                    1e-3 * epsilon + 2e-6);
        break;
    }
    default: { // a replaced unit is one that leaves and one that comes
        if (p.relation != Neighbours::ZeroOut) break;
        EXPECT_GE(pld_epsilon({&one, 1}, delta, Neighbours::ReplaceOne).value().value(), least);
    }
    }
}

/// Noise that is found meets the target, a thousandth less does not.
inline void check_calibration(RandomPlans& p)
{
    const double target = std::pow(10.0, p.between(-0.7, 1.2));
    const auto noise =
        calibrate_noise(Epsilon::create(target).value(), Delta::create(p.delta).value(),
                        SamplingRate::create(p.rate).value(), Steps::create(p.steps).value(),
                        p.relation)
            .value()
            .value();
    EXPECT_LE(pld(p, p.rate, noise, p.steps, p.delta), target) << target;
    if (noise > 0.05) { // below, the unit's never being drawn can be what meets the target
        EXPECT_GT(pld(p, p.rate, noise * (1.0 - 1e-3), p.steps, p.delta), target) << target;
    }
}

} // namespace velamen::privacy
