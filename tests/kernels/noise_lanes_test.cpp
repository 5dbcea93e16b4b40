// SPDX-License-Identifier: GPL-3.0-or-later
//
// The logarithm, sine and cosine of the noise lanes over their whole range, ends included: the ends
// are too rare to be met by drawing. Oracle: the standard library.

#include "kernels/cpu/noise_lanes.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace velamen::kernels::cpu {
namespace {

// Every u that Box-Muller can use is one of these multiples of 2^-52: both ends, powers of two with
// their neighbours, the switch at sqrt(1/2), and a sweep.
std::vector<double> unit_values()
{
    std::vector<double> values{1.0, 1.0 - 0x1p-52, 1.0 - 0x1p-51, 0x1p-52, 0x1p-51, 3 * 0x1p-52};
    for (int e = 1; e < 50; ++e)
        for (const double off : {-0x1p-52, 0.0, 0x1p-52})
            values.push_back(std::ldexp(1.0, -e) + off);
    const double root = std::floor(std::sqrt(0.5) * 0x1p52);
    for (int i = -3; i <= 3; ++i)
        values.push_back((root + i) * 0x1p-52);
    for (int i = 1; i < 100'000; ++i)
        values.push_back(std::floor(i * 1e-5 * 0x1p52) * 0x1p-52);
    return values;
}

TEST(NoiseLanes, LogarithmIsAccurateAndNeverPositive)
{
    for (const double u : unit_values()) {
        const double log = log_unit(u);
        ASSERT_LE(log, 0.0) << u; // else the radius is not a number
        ASSERT_NEAR(log, std::log(u), 1e-11 * -std::log(u)) << u;
    }
    EXPECT_EQ(log_unit(1.0), 0.0);
}

TEST(NoiseLanes, SineAndCosineAreAccurateInEveryQuadrant)
{
    std::vector<double> turns{0.0, 1.0 - 0x1p-52};
    for (int eighth = 1; eighth < 8; ++eighth)
        for (const double off : {-0x1p-52, 0.0, 0x1p-52})
            turns.push_back(0.125 * eighth + off);
    for (const double u : unit_values())
        if (u < 1.0) turns.push_back(u);
    for (const double v : turns) {
        double cosine = 2.0;
        double sine = 2.0;
        cos_sin_turn(v, cosine, sine);
        ASSERT_NEAR(cosine, std::cos(2.0 * std::numbers::pi * v), 1e-12) << v;
        ASSERT_NEAR(sine, std::sin(2.0 * std::numbers::pi * v), 1e-12) << v;
    }
}

// Oracle: sqrt(2 ln 2^52), the radius of the smallest u, as the definition of the stream states.
TEST(NoiseLanes, TailEndsWhereTheStreamSaysItDoes)
{
    const double radius = std::sqrt(-2.0 * log_unit(0x1p-52));
    EXPECT_NEAR(radius, 8.4904, 1e-4);
    EXPECT_NEAR(std::erfc(radius / std::numbers::sqrt2), 2.06e-17, 0.01e-17);
}

} // namespace
} // namespace velamen::kernels::cpu
