// SPDX-License-Identifier: GPL-3.0-or-later
//
// The float noise stream as a sample: its cells, tails and independence. Fixed keys; each check
// would fail for one fresh key in 1e6.

#include "kernels/api/gaussian_fill.h"

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/statistics.h"

namespace velamen::kernels {
namespace {

std::vector<float> fill(std::size_t count, std::uint8_t key, std::uint64_t step,
                        std::uint32_t tensor)
{
    NoiseStreamId id;
    id.key.fill(key);
    std::memcpy(id.nonce.data(), &step, sizeof step);
    std::memcpy(id.nonce.data() + sizeof step, &tensor, sizeof tensor);
    std::vector<float> out(count);
    EXPECT_EQ(cpu::gaussian_fill({}, {.id = &id, .out = out}), Status::Ok);
    return out;
}

std::size_t cell(double z, std::size_t cells)
{
    return std::min(cells - 1, static_cast<std::size_t>(test::phi(z) * static_cast<double>(cells)));
}

TEST(NoiseStatistics, CellsOfEqualChanceAreEquallyFull)
{
    const std::vector<float> z = fill(1 << 21, 1, 0, 0);
    std::vector<std::size_t> cells(256), pairs(256), lanes(256), rows(256);
    const auto at = [&](std::size_t i) { return 16 * cell(z[i % z.size()], 16); };
    for (std::size_t i = 0; i < z.size(); ++i) {
        ++cells[cell(z[i], 256)];
        if (i / kNoiseLanes % 2 != 0) continue;
        ++pairs[at(i) + cell(z[i + kNoiseLanes], 16)]; // the two of one pair of words
        ++rows[at(i) + cell(z[(i + 2 * kNoiseLanes) % z.size()], 16)];
        if (i % 2 == 0) ++lanes[at(i) + cell(z[i + 1], 16)];
    }
    test::expect_equal_chances(cells, "cells");
    test::expect_equal_chances(pairs, "sine and cosine");
    test::expect_equal_chances(rows, "next pair of the block");
    test::expect_equal_chances(lanes, "next block");
}

// Each of the places of a group has code of its own in the vector unit.
TEST(NoiseStatistics, EveryLaneHasMeanZeroAndVarianceOne)
{
    constexpr std::size_t kLanes = kNoiseGroup;
    constexpr std::size_t kRounds = 1 << 13;
    const std::vector<float> z = fill(kLanes * kRounds, 2, 0, 0);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        double sum = 0.0;
        double squares = 0.0;
        for (std::size_t i = lane; i < z.size(); i += kLanes) {
            sum += z[i];
            squares += static_cast<double>(z[i]) * z[i];
        }
        EXPECT_NEAR(sum, 0.0, test::tolerance(kRounds, 0.0)) << lane;
        EXPECT_NEAR(squares, kRounds, test::tolerance(2.0 * kRounds, 2.0)) << lane;
    }
}

TEST(NoiseStatistics, HasTheTailsOfTheNormal)
{
    constexpr std::array<double, 4> kLevels{3.0, 4.0, 4.5, 5.0};
    std::array<double, 4> above{}, under{};
    double count = 0.0;
    for (std::uint32_t tensor = 0; tensor < 8; ++tensor)
        for (const float z : fill(1 << 20, 3, 0, tensor)) {
            ASSERT_TRUE(std::isfinite(z));
            ++count;
            for (std::size_t k = 0; k < kLevels.size(); ++k) {
                above[k] += z > kLevels[k] ? 1.0 : 0.0;
                under[k] += z < -kLevels[k] ? 1.0 : 0.0;
            }
        }
    for (std::size_t k = 0; k < kLevels.size(); ++k) {
        test::expect_count(above[k], count, test::phi(-kLevels[k]), "upper tail");
        test::expect_count(under[k], count, test::phi(-kLevels[k]), "lower tail");
    }
}

TEST(NoiseStatistics, KeysStepsAndTensorsAreUncorrelated)
{
    std::vector<std::vector<float>> streams;
    for (const std::uint8_t key : {std::uint8_t{0}, std::uint8_t{1}})
        for (const std::uint64_t step :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32})
            for (const std::uint32_t tensor : {0U, 1U})
                streams.push_back(fill(20'000, key, step, tensor));
    for (std::size_t a = 0; a < streams.size(); ++a)
        for (std::size_t b = 0; b < a; ++b)
            for (const std::size_t shift : {0U, 1U, 8U}) {
                double sum = 0.0;
                const std::size_t n = streams[a].size() - shift;
                for (std::size_t i = 0; i < n; ++i)
                    sum += static_cast<double>(streams[a][i + shift]) * streams[b][i];
                EXPECT_NEAR(sum, 0.0, test::tolerance(static_cast<double>(n), 1.0))
                    << a << " " << b << " " << shift;
            }
}

} // namespace
} // namespace velamen::kernels
