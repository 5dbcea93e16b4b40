// SPDX-License-Identifier: GPL-3.0-or-later
//
// Epsilon of hardened runs. Oracles: the divergence of two discrete Gaussians, summed over the
// integers term by term; the formula at integer orders in 50 digits (mpmath); the privacy loss
// distribution of the continuous mechanism.

#include "engine/privacy/composition.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Segment segment(double rate, double noise, std::int64_t steps)
{
    return {{SamplingRate::create(rate).value(), NoiseMultiplier::create(noise).value()},
            Steps::create(steps).value()};
}

RdpBound hardened(const std::vector<Segment>& segments, double delta)
{
    std::vector<Spending> all;
    for (const Segment& one : segments)
        all.push_back({SubsampledDiscreteGaussian{one.event}, one.steps});
    return composed_rdp(all, Delta::create(delta).value()).value();
}

// exp((alpha - 1) divergence), both ways, between the noise of scale s and its mixture with the
// same noise around the contribution k = (kx, ky), which is drawn at rate q.
struct Moments {
    double of_mixture; // E under the noise of (mixture / noise)^alpha
    double of_noise;   // E under the mixture of (noise / mixture)^alpha
};

Moments sum_over_the_grid(double q, double s, int kx, int ky, int alpha)
{
    const int reach = static_cast<int>(30 * s) + alpha * std::max(std::abs(kx), std::abs(ky));
    double total = 0.0;
    Moments moments{0.0, 0.0};
    for (int x = -reach; x <= reach; ++x)
        for (int y = -reach; y <= reach; ++y) {
            const double noise = std::exp(-0.5 * (x * x + y * y) / (s * s));
            const double ratio = 1.0 - q
                + q * std::exp((2.0 * (kx * x + ky * y) - (kx * kx + ky * ky)) / (2.0 * s * s));
            total += noise;
            moments.of_mixture += noise * std::pow(ratio, alpha);
            moments.of_noise += noise * std::pow(ratio, 1 - alpha);
        }
    return {moments.of_mixture / total, moments.of_noise / total};
}

// What the accounting rests on: at integer orders the grid changes nothing, and the mixture against
// the noise is the worse direction.
TEST(HardenedMoments, AreThoseOfTheContinuousGaussianAtIntegerOrders)
{
    struct Case {
        double s;
        int kx, ky;
    };
    for (const auto& [s, kx, ky] : {Case{1, 1, 0}, Case{2, 1, 1}, Case{3, 2, -1}, Case{2, 3, 0}})
        for (const double q : {0.01, 0.3, 1.0})
            for (const int alpha : {2, 3, 5}) {
                const double sigma = s / std::sqrt(kx * kx + ky * ky);
                const double continuous = std::exp(
                    (alpha - 1) * rdp_of(segment(q, sigma, 1).event, Steps::literal(1), alpha));
                const Moments moments = sum_over_the_grid(q, s, kx, ky, alpha);
                EXPECT_NEAR(moments.of_mixture, continuous, 1e-12 * continuous)
                    << s << " " << kx << " " << ky << " " << q << " " << alpha;
                EXPECT_LE(moments.of_noise, continuous * (1.0 + 1e-12))
                    << s << " " << kx << " " << ky << " " << q << " " << alpha;
            }
}

struct Reference {
    std::vector<Segment> segments;
    double delta, epsilon, order;
};

// Oracle: mpmath, 50 digits, the same orders. The first, second and fourth also in dp_accounting
// (1.035490 at 17, 2.147668 at 8) and tensorflow/privacy (1.4154988495 at 13).
TEST(HardenedEpsilon, IsTheBestIntegerOrderRoundedUp)
{
    const std::vector<Reference> table{
        {{segment(.01, 4, 10000)}, 1e-5, 1.0354900660362967, 17},
        {{segment(.01, 1, 500), segment(.02, 1.5, 500)}, 1e-5, 2.1476683416116139, 8},
        {{segment(150. / 60000, 1.3, 6000)}, 1e-5, 0.72422340261059641, 19},
        {{segment(100. / 100000, 1, 30000)}, 1e-7, 1.4154988495445377, 13},
        {{segment(.04, 1.5, 2250)}, 1e-5, 7.3298767738346693, 4},
        {{segment(1, .7, 2)}, 1e-5, 10.924140459634732, 3},
        {{segment(.001, 8, 100)}, 1e-6, 0.008052365614454102, 826},
        {{segment(.5, 5, 500)}, 1e-5, 12.492459899837997, 3},
        {{segment(1e-6, 50, 1)}, 1e-9, 0.0030159748901666509, 3807}};
    for (const Reference& row : table) {
        const RdpBound bound = hardened(row.segments, row.delta);
        EXPECT_EQ(bound.order, row.order) << row.epsilon;
        EXPECT_GE(bound.epsilon.value(), row.epsilon);
        EXPECT_LE(bound.epsilon.value(), row.epsilon * (1.0 + 1e-9));
        EXPECT_EQ(bound.at_end_order, row.order == 3807); // the last of the grid
    }
}

TEST(HardenedEpsilon, IsNotBelowThePrivacyLossDistribution)
{
    for (const double q : {0.001, 0.02, 0.5, 1.0})
        for (const double sigma : {0.5, 1.0, 4.0})
            for (const std::int64_t steps : {1, 100}) {
                const std::vector<Segment> plan{segment(q, sigma, steps)};
                const auto pld = pld_epsilon(plan, Delta::literal(1e-6));
                ASSERT_TRUE(pld);
                EXPECT_GE(hardened(plan, 1e-6).epsilon.value(), pld->value())
                    << q << " " << sigma << " " << steps;
            }
}

TEST(HardenedEpsilon, GrowsWithStepsAndFallsWithNoise)
{
    double before = 0.0;
    for (const std::int64_t steps : {1, 10, 100, 1000, 10000}) {
        const double now = hardened({segment(.02, 1.1, steps)}, 1e-6).epsilon.value();
        EXPECT_GT(now, before) << steps;
        before = now;
    }
    before = kInfinity;
    for (const double sigma : {0.3, 0.6, 1.2, 2.4, 4.8}) {
        const double now = hardened({segment(.02, sigma, 100)}, 1e-6).epsilon.value();
        EXPECT_LT(now, before) << sigma;
        before = now;
    }
}

TEST(HardenedEpsilon, IsTotal)
{
    EXPECT_EQ(hardened({}, 1e-5).epsilon.value(), 0.0);
    EXPECT_EQ(hardened({segment(.5, 1e-200, 1)}, 1e-5).epsilon.value(), kInfinity);
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    EXPECT_GT(hardened({segment(1, .5, kMost)}, 1e-5).epsilon.value(), 1e18);
    EXPECT_EQ(hardened({segment(1e-300, 1e100, 1)}, .5).epsilon.value(), 0.0);
    const double tiny_delta =
        hardened({segment(.01, 1, 1000)}, std::numeric_limits<double>::min()).epsilon.value();
    EXPECT_GT(tiny_delta, hardened({segment(.01, 1, 1000)}, 1e-12).epsilon.value());
    EXPECT_LT(tiny_delta, kInfinity);
    EXPECT_TRUE(hardened({segment(1e-6, 1e4, 1)}, 1e-300).at_end_order);
}

} // namespace
} // namespace velamen::privacy
