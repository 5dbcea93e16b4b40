// SPDX-License-Identifier: GPL-3.0-or-later
//
// The passes of a group norm against the slow loops of kernels/cpu/reference.cpp.

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/api/channel_norm.h"
#include "tests/kernels/random_values.h"

namespace velamen::kernels {
namespace {

TEST(ChannelSums, EqualTheSlowLoop)
{
    for (const std::size_t pixels : {0U, 1U, 33U, 256U})
        for (const std::size_t channels : {1U, 48U, 300U}) {
            const auto x = random_values(pixels * channels, 1);
            const auto centre = random_values(channels, 2);
            for (const bool has_centre : {false, true}) {
                const auto about =
                    has_centre ? std::span<const float>(centre) : std::span<const float>{};
                std::vector<double> fast(channels, 7.0), slow(channels);
                ASSERT_EQ(cpu::channel_sums({}, {pixels, channels, x, about, fast}), Status::Ok);
                reference::channel_sums({}, {pixels, channels, x, about, slow});
                for (std::size_t c = 0; c < channels; ++c)
                    EXPECT_NEAR(fast[c], slow[c], 1e-5 * (1.0 + static_cast<double>(pixels)));
            }
        }
}

TEST(ChannelSums, KeepTheDigitsOfAFaintMapWithALargeMean)
{
    constexpr std::size_t kPixels = 1024, kChannels = 8;
    auto x = random_values(kPixels * kChannels, 3);
    for (float& value : x)
        value = 5.0F + 1e-3F * value;
    const std::vector<float> centre(kChannels, 5.0F);
    std::vector<double> fast(kChannels), slow(kChannels);
    ASSERT_EQ(cpu::channel_sums({}, {kPixels, kChannels, x, centre, fast}), Status::Ok);
    reference::channel_sums({}, {kPixels, kChannels, x, centre, slow});
    for (std::size_t c = 0; c < kChannels; ++c)
        EXPECT_NEAR(fast[c] / slow[c], 1.0, 1e-6);
}

TEST(ChannelAffine, EqualsTheSlowLoop)
{
    constexpr std::size_t kPixels = 37, kChannels = 45;
    auto x = random_values(kPixels * kChannels, 4);
    for (std::size_t i = 0; i < x.size(); ++i)
        x[i] *= static_cast<float>(i % 40); // up to about +-150: both ends of the sigmoid
    const auto centre = random_values(kChannels, 5), scale = random_values(kChannels, 6),
               shift = random_values(kChannels, 7);
    for (const bool has_silu : {false, true}) {
        std::vector<float> fast(x.size()), slow(x.size());
        ASSERT_EQ(
            cpu::channel_affine({}, {kPixels, kChannels, x, centre, scale, shift, has_silu, fast}),
            Status::Ok);
        reference::channel_affine({},
                                  {kPixels, kChannels, x, centre, scale, shift, has_silu, slow});
        for (std::size_t i = 0; i < x.size(); ++i)
            EXPECT_NEAR(fast[i], slow[i], 1e-6 + 1e-6 * std::abs(slow[i])) << i;
    }
}

TEST(ChannelAffine, LetsNanThrough)
{
    const std::vector<float> x{std::numeric_limits<float>::quiet_NaN(), 1.0F};
    const std::vector<float> zero(2, 0.0F), one(2, 1.0F);
    std::vector<float> y(2);
    ASSERT_EQ(cpu::channel_affine({}, {1, 2, x, zero, one, zero, true, y}), Status::Ok);
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_FALSE(std::isnan(y[1]));
}

TEST(ChannelNorm, RefusesSizesThatDoNotFit)
{
    const std::vector<float> x(8), centre(3);
    std::vector<float> y(8);
    std::vector<double> sums(4);
    EXPECT_EQ(cpu::channel_sums({}, {2, 4, x, centre, sums}), Status::InvalidArgument);
    EXPECT_EQ(cpu::channel_sums({}, {3, 4, x, {}, sums}), Status::InvalidArgument);
    EXPECT_EQ(cpu::channel_affine({}, {2, 4, x, centre, centre, centre, false, y}),
              Status::InvalidArgument);
}

} // namespace
} // namespace velamen::kernels
