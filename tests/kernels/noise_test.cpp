// SPDX-License-Identifier: GPL-3.0-or-later
//
// The noise stream: its cipher, its distribution, its addressing.

#include "kernels/api/gaussian_fill.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

namespace velamen::kernels {
namespace {

NoiseStreamId counting_key()
{
    NoiseStreamId id;
    for (std::size_t i = 0; i < 32; ++i)
        id.key[i] = static_cast<std::uint8_t>(i);
    return id;
}

std::vector<float> fill(std::uint64_t first, std::size_t count, float stddev = 1.0F)
{
    const NoiseStreamId id = counting_key();
    std::vector<float> out(count);
    EXPECT_EQ(cpu::gaussian_fill({}, {.id = &id, .first = first, .stddev = stddev, .out = out}),
              Status::Ok);
    return out;
}

// Oracle: RFC 8439, section 2.3.2.
TEST(NoiseStream, BlockIsThatOfTheRfc)
{
    NoiseStreamId id = counting_key();
    id.nonce = {0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0};
    const std::array<std::uint8_t, 64> expected{
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
    std::array<std::uint8_t, 64> block{};
    reference::chacha20_block(id, 1, block);
    EXPECT_EQ(block, expected);
}

// Oracle: the scalar definition with the standard library's log, cos and sin.
TEST(NoiseStream, FastFillIsTheDefinition)
{
    NoiseStreamId id = counting_key();
    id.nonce[3] = 77;
    for (const std::uint64_t first :
         {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{1027}, kNormalsPerStream - 3001}) {
        std::vector<float> fast(3001);
        std::vector<float> slow(3001);
        ASSERT_EQ(cpu::gaussian_fill({}, {.id = &id, .first = first, .stddev = 2.0F, .out = fast}),
                  Status::Ok);
        ASSERT_EQ(
            reference::gaussian_fill({}, {.id = &id, .first = first, .stddev = 2.0F, .out = slow}),
            Status::Ok);
        for (std::size_t i = 0; i < fast.size(); ++i)
            ASSERT_NEAR(fast[i], slow[i], 1e-6 * std::max(1.0F, std::abs(slow[i])))
                << first << " + " << i;
    }
}

TEST(NoiseStream, AnyPieceEqualsThatPartOfTheWhole)
{
    const std::vector<float> whole = fill(0, 2000);
    for (const std::size_t first : {1U, 7U, 8U, 129U, 1500U}) {
        const std::vector<float> piece = fill(first, 300);
        EXPECT_TRUE(std::equal(piece.begin(), piece.end(), whole.begin() + first)) << first;
    }
}

TEST(NoiseStream, IsRefusedBeyondItsEnd)
{
    const NoiseStreamId id = counting_key();
    std::vector<float> out(2);
    EXPECT_EQ(cpu::gaussian_fill({}, {.id = &id, .first = kNormalsPerStream - 1, .out = out}),
              Status::InvalidArgument);
}

// Fixed key: these either hold or do not. The bounds are 5 standard errors (for a fresh key each
// would fail once in 1.7 million), the last is the Kolmogorov-Smirnov bound at 1e-6.
TEST(NoiseStream, HasTheMomentsAndTheDistributionOfTheNormal)
{
    constexpr std::size_t kCount = 1 << 20;
    std::vector<float> z = fill(0, kCount);
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0, neighbours = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
        const double x = z[i];
        m1 += x;
        m2 += x * x;
        m3 += x * x * x;
        m4 += x * x * x * x;
        neighbours += x * z[(i + 1) % kCount];
    }
    const double n = kCount;
    const double error = 5.0 / std::sqrt(n);
    EXPECT_NEAR(m1 / n, 0.0, error);
    EXPECT_NEAR(m2 / n, 1.0, error * std::sqrt(2.0));
    EXPECT_NEAR(m3 / n, 0.0, error * std::sqrt(15.0));
    EXPECT_NEAR(m4 / n, 3.0, error * std::sqrt(96.0));
    EXPECT_NEAR(neighbours / n, 0.0, error);

    std::sort(z.begin(), z.end());
    double distance = 0.0;
    for (std::size_t i = 0; i < kCount; ++i) {
        const double phi = 0.5 * std::erfc(-z[i] / std::numbers::sqrt2);
        distance = std::max({distance, std::abs(phi - static_cast<double>(i) / n),
                             std::abs(phi - static_cast<double>(i + 1) / n)});
    }
    EXPECT_LT(distance, std::sqrt(-0.5 * std::log(0.5e-6) / n));
}

TEST(NoiseStream, DiffersByKeyAndNonce)
{
    NoiseStreamId a = counting_key();
    NoiseStreamId b = a;
    b.nonce[0] = 1;
    NoiseStreamId c = a;
    c.key[31] ^= 1;
    std::vector<float> za(64), zb(64), zc(64);
    ASSERT_EQ(cpu::gaussian_fill({}, {.id = &a, .out = za}), Status::Ok);
    ASSERT_EQ(cpu::gaussian_fill({}, {.id = &b, .out = zb}), Status::Ok);
    ASSERT_EQ(cpu::gaussian_fill({}, {.id = &c, .out = zc}), Status::Ok);
    EXPECT_NE(za, zb);
    EXPECT_NE(za, zc);
}

} // namespace
} // namespace velamen::kernels
