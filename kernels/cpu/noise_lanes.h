// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sixteen ChaCha20 blocks side by side and their 128 normals: the inner part of the CPU kernels
// that make noise. Forced inline, so that each caller's clone compiles it for its own instruction
// set.

#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numbers>

#include "kernels/api/gaussian_fill.h"

namespace velamen::kernels::cpu {

inline constexpr std::size_t kLaneBlocks = 16;
inline constexpr std::size_t kLaneNormals = kLaneBlocks * 8;

using Lanes [[gnu::vector_size(64)]] = std::uint32_t; // one word of sixteen blocks

[[gnu::always_inline]] inline void quarter_round(Lanes& a, Lanes& b, Lanes& c, Lanes& d)
{
    a += b;
    d ^= a;
    d = (d << 16) | (d >> 16);
    c += d;
    b ^= c;
    b = (b << 12) | (b >> 20);
    a += b;
    d ^= a;
    d = (d << 8) | (d >> 24);
    c += d;
    b ^= c;
    b = (b << 7) | (b >> 25);
}

/// Key, nonce and constants as words; the counter is filled in per call.
struct ChaChaState {
    std::uint32_t words[16];
    explicit ChaChaState(const NoiseStreamId& id)
        : words{0x61707865U, 0x3320646eU, 0x79622d32U, 0x6b206574U}
    {
        std::memcpy(words + 4, id.key.data(), 32);
        std::memcpy(words + 13, id.nonce.data(), 12);
    }
};

/// Natural logarithm of x in (0, 1]: relative error below 1e-11.
[[gnu::always_inline]] inline double log_unit(double x)
{
    const auto bits = std::bit_cast<std::uint64_t>(x);
    double exponent =
        std::bit_cast<double>((bits >> 52) | 0x4330000000000000ULL) - (4503599627370496.0 + 1023.0);
    double mantissa = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);
    const bool high = mantissa > std::numbers::sqrt2;
    mantissa = high ? 0.5 * mantissa : mantissa;
    exponent = high ? exponent + 1.0 : exponent;
    const double s = (mantissa - 1.0) / (mantissa + 1.0);
    const double z = s * s;
    const double series = 1.0
        + z
            * (1.0 / 3
               + z
                   * (1.0 / 5
                      + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z * (1.0 / 13 + z / 15))))));
    return exponent * std::numbers::ln2 + 2.0 * s * series;
}

/// cos and sin of 2 pi v for v in [0, 1): absolute error below 1e-12.
[[gnu::always_inline]] inline void cos_sin_turn(double v, double& cosine, double& sine)
{
    constexpr double kRound = 6755399441055744.0; // 1.5 * 2^52: adding it rounds to an integer
    const double shifted = 4.0 * v + kRound;
    const std::uint64_t quadrant = std::bit_cast<std::uint64_t>(shifted) & 3U;
    const double x = (v - 0.25 * (shifted - kRound)) * (2.0 * std::numbers::pi); // |x| <= pi / 4
    const double y = x * x;
    const double s = x
        * (1.0
           + y
               * (-1.0 / 6
                  + y
                      * (1.0 / 120
                         + y
                             * (-1.0 / 5040
                                + y * (1.0 / 362880 + y * (-1.0 / 39916800 + y / 6227020800.0))))));
    const double c = 1.0
        + y
            * (-0.5
               + y
                   * (1.0 / 24
                      + y
                          * (-1.0 / 720
                             + y
                                 * (1.0 / 40320
                                    + y
                                        * (-1.0 / 3628800
                                           + y * (1.0 / 479001600 - y / 87178291200.0))))));
    const bool swap = (quadrant & 1U) != 0;
    const double first = swap ? s : c;
    const double second = swap ? c : s;
    cosine = (quadrant == 1 || quadrant == 2) ? -first : first;
    sine = quadrant >= 2 ? -second : second;
}

/// The normals of blocks counter .. counter + 15, in stream order.
[[gnu::always_inline]] inline void
normals_of_blocks(const ChaChaState& state, std::uint32_t counter, float (&out)[kLaneNormals])
{
    Lanes x[16];
    Lanes counters;
    for (std::size_t lane = 0; lane < kLaneBlocks; ++lane)
        counters[lane] = counter + static_cast<std::uint32_t>(lane);
    for (std::size_t w = 0; w < 16; ++w)
        x[w] = Lanes{} + state.words[w];
    x[12] = counters;
    for (int round = 0; round < 10; ++round) {
        quarter_round(x[0], x[4], x[8], x[12]);
        quarter_round(x[1], x[5], x[9], x[13]);
        quarter_round(x[2], x[6], x[10], x[14]);
        quarter_round(x[3], x[7], x[11], x[15]);
        quarter_round(x[0], x[5], x[10], x[15]);
        quarter_round(x[1], x[6], x[11], x[12]);
        quarter_round(x[2], x[7], x[8], x[13]);
        quarter_round(x[3], x[4], x[9], x[14]);
    }
    for (std::size_t w = 0; w < 16; ++w)
        x[w] += w == 12 ? counters : Lanes{} + state.words[w];

    std::uint32_t words[16][kLaneBlocks];
    std::memcpy(words, x, sizeof words);
    for (std::size_t p = 0; p < 4; ++p)
        for (std::size_t lane = 0; lane < kLaneBlocks; ++lane) {
            // The upper 52 of 64 bits as a double in [1, 2).
            const std::uint64_t r =
                words[4 * p][lane] | (std::uint64_t{words[4 * p + 1][lane]} << 32);
            const std::uint64_t s =
                words[4 * p + 2][lane] | (std::uint64_t{words[4 * p + 3][lane]} << 32);
            const double u = 2.0 - std::bit_cast<double>((r >> 12) | 0x3FF0000000000000ULL);
            const double v = std::bit_cast<double>((s >> 12) | 0x3FF0000000000000ULL) - 1.0;
            double cosine = 0.0;
            double sine = 0.0;
            cos_sin_turn(v, cosine, sine);
            const double radius = std::sqrt(-2.0 * log_unit(u));
            out[lane * 8 + 2 * p] = static_cast<float>(radius * cosine);
            out[lane * 8 + 2 * p + 1] = static_cast<float>(radius * sine);
        }
}

} // namespace velamen::kernels::cpu
