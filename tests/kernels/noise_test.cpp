// SPDX-License-Identifier: GPL-3.0-or-later
//
// The noise stream: its cipher, its distribution, its addressing.

#include "kernels/api/gaussian_fill.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/device_memory.h"

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

// The error that the definition allows: 2^-21 of the value.
void expect_normals(const std::vector<float>& given, const std::vector<float>& wanted,
                    std::uint64_t first)
{
    ASSERT_EQ(given.size(), wanted.size());
    for (std::size_t i = 0; i < given.size(); ++i)
        ASSERT_NEAR(given[i], wanted[i], 0x1p-21 * std::abs(wanted[i])) << first << " + " << i;
}

// Oracle: the scalar definition with the standard library's log, cos and sin in double.
TEST(NoiseStream, FastFillIsTheDefinition)
{
    NoiseStreamId id = counting_key();
    id.nonce[3] = 77;
    for (const std::uint64_t first :
         {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{1027}, kNormalsPerStream - 3001}) {
        std::vector<float> fast(3001);
        std::vector<float> slow(3001);
        const GaussianFill job{.id = &id, .first = first, .stddev = 2.0F, .out = fast};
        ASSERT_EQ(cpu::gaussian_fill({}, job), Status::Ok);
        ASSERT_EQ(
            reference::gaussian_fill({}, {.id = &id, .first = first, .stddev = 2.0F, .out = slow}),
            Status::Ok);
        expect_normals(fast, slow, first);
        if (device::is_there()) {
            device::Floats out(fast);
            ASSERT_EQ(cuda::gaussian_fill(
                          {}, {.id = &id, .first = first, .stddev = 2.0F, .out = out.span()}),
                      Status::Ok);
            expect_normals(out.read(), slow, first);
        }
    }
}

// Oracle: Python, ChaCha20 by its RFC and mpmath with 40 digits; key 0, 1, ... 31, nonce 0. The
// last four positions are pairs that take 32 bits more for their radius.
TEST(NoiseStream, HasTheseValues)
{
    const NoiseStreamId id = counting_key();
    constexpr std::array<std::pair<std::uint64_t, double>, 11> kVectors{
        {{0U, -1.027562096253126},
         {1U, 0.7621861135540828},
         {31U, 0.37508024612323614},
         {32U, 0.61245091088791096},
         {511U, 0.25856234673266205},
         {512U, 1.2851448118036033},
         {kNormalsPerStream - 1, 0.6696164634184823},
         {3161U, -3.807968836425444},
         {3193U, -1.7707341441086861},
         {4675U, -3.8475084306433141},
         {4707U, -1.595968088368786}}};
    for (const auto& [position, value] : kVectors) {
        EXPECT_NEAR(reference::normal_at(id, position), value, 1e-14 * std::abs(value));
        EXPECT_NEAR(fill(position, 1).at(0), value, 0x1p-21 * std::abs(value)) << position;
    }
}

TEST(NoiseStream, AnyPieceEqualsThatPartOfTheWhole)
{
    const std::vector<float> whole = fill(0, 2000);
    for (const std::size_t first : {1U, 31U, 32U, 513U, 1500U}) {
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
