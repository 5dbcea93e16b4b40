// SPDX-License-Identifier: GPL-3.0-or-later
//
// Radius and angle of the noise lanes over their whole range, ends included: the ends are too rare
// to be met by drawing. Oracle: the standard library in double.

#include "kernels/cpu/noise_lanes.h"

#include <array>
#include <span>
#include <vector>

#include <gtest/gtest.h>

namespace velamen::kernels::cpu {
namespace {

constexpr double kBound = 0x1p-21; // of the value, as the definition of the stream states

// Both ends, powers of two with their neighbours, the switches at one half and at its root, a
// sweep.
std::vector<std::uint32_t> words()
{
    std::vector<std::uint32_t> values;
    const auto around = [&](double centre) {
        for (int off = -300; off <= 300; ++off)
            if (centre + off >= 0.0 && centre + off < 0x1p32)
                values.push_back(static_cast<std::uint32_t>(centre + off));
    };
    for (int e = 20; e <= 32; ++e) {
        around(std::ldexp(1.0, e));
        around(std::ldexp(std::sqrt(0.5), e));
    }
    for (int eighth = 0; eighth <= 8; ++eighth)
        around(0x1p29 * eighth);
    for (std::uint32_t i = 0; i < 1'000'000; ++i)
        values.push_back(i * 4294U + 77U);
    return values;
}

TEST(NoiseLanes, SquaredRadiusIsAccurateAndPositive)
{
    for (const std::uint32_t a : words()) {
        const double wanted = -2.0 * std::log1p((a - 0x1p32 + 0.5) * 0x1p-32);
        if (a < kRefinedBelow) continue;
        ASSERT_GT(squared_radius(a), 0.0F) << a; // else the radius is not a number
        ASSERT_NEAR(squared_radius(a), wanted, kBound * wanted) << a;
    }
}

TEST(NoiseLanes, PairsAreAccurateInEveryQuarter)
{
    for (const std::uint32_t a : {kRefinedBelow, 0x12345678U, 0x7FFFFFFFU, 0x80000000U, ~0U})
        for (const std::uint32_t c : words()) {
            const double radius = std::sqrt(-2.0 * std::log1p((a - 0x1p32 + 0.5) * 0x1p-32));
            const double turn = 2.0 * std::numbers::pi * (c + 0.5) * 0x1p-32;
            float cosine = 0.0F;
            float sine = 0.0F;
            normal_pair(a, c, cosine, sine);
            const double x = radius * std::cos(turn), y = radius * std::sin(turn);
            // The double angle itself is exact to 2^-51.
            ASSERT_NEAR(cosine, x, kBound * std::abs(x) + radius * 0x1p-50) << a << " " << c;
            ASSERT_NEAR(sine, y, kBound * std::abs(y) + radius * 0x1p-50) << a << " " << c;
        }
}

// Whichever width this machine chooses, the other one makes the same words.
template <std::size_t kVector, std::size_t kChains>
void expect_blocks_of_the_reference()
{
    NoiseStreamId id;
    for (std::size_t i = 0; i < id.key.size(); ++i)
        id.key[i] = static_cast<std::uint8_t>(7 * i + 1);
    id.nonce[11] = 9;
    constexpr std::uint32_t kFirst = 0xFFFFFFF0U - kVector; // and over the end of a byte
    std::vector<std::uint32_t> words(kNoiseGroup);
    std::size_t pauses = 0;
    chacha_blocks<kVector, kChains>(ChaChaState(id), kFirst, words.data(),
                                    [&](std::size_t round) { EXPECT_EQ(round, pauses++); });
    EXPECT_EQ(pauses, kRounds);
    for (std::uint32_t lane = 0; lane < kVector * kChains; ++lane) {
        std::array<std::uint32_t, 16> block{};
        reference::chacha20_block(
            id, kFirst + lane,
            std::span<std::uint8_t, 64>(reinterpret_cast<std::uint8_t*>(block.data()), 64));
        for (std::size_t w = 0; w < 16; ++w)
            ASSERT_EQ(words[w * kNoiseLanes + lane], block[w]) << w << " of block " << lane;
    }
}

TEST(NoiseLanes, MakeTheBlocksOfTheReferenceAtEveryWidth)
{
    expect_blocks_of_the_reference<4, 1>();
    expect_blocks_of_the_reference<8, 1>();
    expect_blocks_of_the_reference<16, 2>();
}

} // namespace
} // namespace velamen::kernels::cpu
