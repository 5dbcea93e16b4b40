// SPDX-License-Identifier: GPL-3.0-or-later
//
// The noise stream group by group, kVector ChaCha20 blocks side by side: the inner part of the CPU
// kernels that make noise. Forced inline, so that each caller's clone compiles it for its own
// instruction set.

#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numbers>

#include "kernels/api/gaussian_fill.h"

namespace velamen::kernels::cpu {

template <std::size_t kVector>
using Words [[gnu::vector_size(4 * kVector)]] = std::uint32_t; // one word of so many blocks
using Bytes [[gnu::vector_size(32)]] = std::uint8_t;

/// Key, nonce and constants as words; the counter is filled in per call. Leaves no key behind.
struct ChaChaState {
    std::uint32_t words[16];
    explicit ChaChaState(const NoiseStreamId& id)
        : words{0x61707865U, 0x3320646eU, 0x79622d32U, 0x6b206574U}
    {
        std::memcpy(words + 4, id.key.data(), 32);
        std::memcpy(words + 13, id.nonce.data(), 12);
    }
    ChaChaState(const ChaChaState&) = delete;
    ChaChaState& operator=(const ChaChaState&) = delete;
    ~ChaChaState()
    {
        for (volatile std::uint32_t& word : words)
            word = 0;
    }
};

template <int kBits, class Word>
[[gnu::always_inline]] inline void rotate_left(Word& x)
{
    x = (x << kBits) | (x >> (32 - kBits)); // one instruction where vectors have 512 bits
}

// With 256 bits and less, rotations by whole bytes are one shuffle instead of three instructions.
template <>
[[gnu::always_inline]] inline void rotate_left<16>(Words<8>& x)
{
    const auto b = reinterpret_cast<Bytes>(x);
    x = reinterpret_cast<Words<8>>(
        __builtin_shufflevector(b, b, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 18, 19,
                                16, 17, 22, 23, 20, 21, 26, 27, 24, 25, 30, 31, 28, 29));
}

template <>
[[gnu::always_inline]] inline void rotate_left<8>(Words<8>& x)
{
    const auto b = reinterpret_cast<Bytes>(x);
    x = reinterpret_cast<Words<8>>(
        __builtin_shufflevector(b, b, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 19, 16,
                                17, 18, 23, 20, 21, 22, 27, 24, 25, 26, 31, 28, 29, 30));
}

/// Two quarter rounds at once: as many as sixteen vector registers have room for.
template <class Word>
[[gnu::always_inline]] inline void quarter_rounds(Word& a, Word& b, Word& c, Word& d, Word& e,
                                                  Word& f, Word& g, Word& h)
{
    a += b, e += f;
    d ^= a, h ^= e;
    rotate_left<16>(d), rotate_left<16>(h);
    c += d, g += h;
    b ^= c, f ^= g;
    rotate_left<12>(b), rotate_left<12>(f);
    a += b, e += f;
    d ^= a, h ^= e;
    rotate_left<8>(d), rotate_left<8>(h);
    c += d, g += h;
    b ^= c, f ^= g;
    rotate_left<7>(b), rotate_left<7>(f);
}

/// Double rounds of a block.
inline constexpr std::size_t kRounds = 10;

/// out[w * kNoiseLanes + i] = word w of block counter + i, i < kChains kVector. The chains are
/// independent of each other: with registers for two, neither waits for the other's latencies.
/// Calls between(round) in each double round.
template <std::size_t kVector, std::size_t kChains, class Between>
[[gnu::always_inline]] inline void chacha_blocks(const ChaChaState& state, std::uint32_t counter,
                                                 std::uint32_t* out, const Between& between)
{
    using Word = Words<kVector>;
    Word counters = Word{} + counter;
#pragma GCC unroll 16
    for (std::size_t lane = 0; lane < kVector; ++lane)
        counters[lane] += static_cast<std::uint32_t>(lane);
    const auto add_start = [&](Word & to, std::size_t chain, std::size_t w)
        __attribute__((always_inline))
    {
        if (w == 12)
            to += counters + static_cast<std::uint32_t>(chain * kVector);
        else
            to += state.words[w];
    };
    Word x[kChains][16] = {}; // GCC 12 takes the lines below for uses of what is not set
#pragma GCC unroll 2
    for (std::size_t chain = 0; chain < kChains; ++chain)
#pragma GCC unroll 16
        for (std::size_t w = 0; w < 16; ++w)
            add_start(x[chain][w], chain, w);
    for (std::size_t round = 0; round < kRounds; ++round) {
        between(round);
#pragma GCC unroll 2
        for (auto& y : x)
            quarter_rounds(y[0], y[4], y[8], y[12], y[1], y[5], y[9], y[13]);
#pragma GCC unroll 2
        for (auto& y : x)
            quarter_rounds(y[2], y[6], y[10], y[14], y[3], y[7], y[11], y[15]);
#pragma GCC unroll 2
        for (auto& y : x)
            quarter_rounds(y[0], y[5], y[10], y[15], y[1], y[6], y[11], y[12]);
#pragma GCC unroll 2
        for (auto& y : x)
            quarter_rounds(y[2], y[7], y[8], y[13], y[3], y[4], y[9], y[14]);
    }
#pragma GCC unroll 2
    for (std::size_t chain = 0; chain < kChains; ++chain)
#pragma GCC unroll 16
        for (std::size_t w = 0; w < 16; ++w) {
            add_start(x[chain][w], chain, w);
            std::memcpy(out + w * kNoiseLanes + chain * kVector, &x[chain][w], sizeof(Word));
        }
}

/// -2 ln u for u = (a + 1/2) 2^-32, in float with full relative precision also where u is near 1.
/// Positive for every a.
[[gnu::always_inline]] inline float squared_radius(std::uint32_t a)
{
    constexpr std::uint32_t kRootHalf = 0x3F3504F3U; // bits of sqrt(1/2)
    const auto is_upper_half = static_cast<std::int32_t>(a) < 0;
    // u itself below one half, u - 1 above: exact to the last place in both.
    const float offset = static_cast<float>(static_cast<std::int32_t>(a)) * 0x1p-32F + 0x1p-33F;
    const float u = is_upper_half ? 1.0F + offset : offset;
    // u = 2^exponent mantissa, mantissa in [sqrt(1/2), sqrt(2)).
    const auto bits = std::bit_cast<std::uint32_t>(u);
    const std::int32_t exponent = static_cast<std::int32_t>(bits - kRootHalf) >> 23;
    const auto mantissa = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(exponent) << 23));
    const float f = exponent == 0 ? offset : mantissa - 1.0F;
    // -2 ln(1 + f) = -2 f + f^2 h(f): minimax polynomial, 2^-27 of the value, in pairs of terms so
    // that no long chain of products holds up the lanes that follow.
    const float f2 = f * f;
    const float h0 = 0.99999981713F - 0.66666617726F * f;
    const float h2 = 0.50002808072F - 0.40005897689F * f;
    const float h4 = 0.33226979798F - 0.28330899339F * f;
    const float h6 = 0.26386660003F + (0.15682209298F * f2 - 0.25978922392F * f);
    const float f4 = f2 * f2;
    const float h = (h0 + h2 * f2) + (h4 + h6 * f2) * f4;
    constexpr auto kTwoLn2 = static_cast<float>(2.0 * std::numbers::ln2);
    return (f2 * h - 2.0F * f) - kTwoLn2 * static_cast<float>(exponent);
}

/// The pair of normals of words a >= kRefinedBelow and c.
[[gnu::always_inline]] inline void normal_pair(std::uint32_t a, std::uint32_t c, float& cosine,
                                               float& sine)
{
    const float radius = std::sqrt(squared_radius(a));
    // The turn as the nearest quarter, whose number is the two upper bits of `quarter`, and an
    // angle of at most pi / 4.
    const std::uint32_t quarter = c + (std::uint32_t{1} << 29);
    const float x = static_cast<float>(static_cast<std::int32_t>((c << 2) | 2U))
        * static_cast<float>(2.0 * std::numbers::pi * 0x1p-34);
    const float y = x * x; // minimax polynomials, 2^-27 and 2^-32
    const float s = x + x * y * (-0.16666655523F + y * (0.0083322051928F - y * 0.00019520237649F));
    const float t = (1.0F - 0.5F * y)
        + y * y * (0.04166664742F + y * (-0.0013887390547F + y * 0.000024440763457F));
    const bool is_odd = (quarter & 0x40000000U) != 0;
    const float first = is_odd ? s : t;
    const float second = is_odd ? t : s;
    const std::uint32_t sign_of_cosine = (quarter + 0x40000000U) & 0x80000000U;
    const std::uint32_t sign_of_sine = quarter & 0x80000000U;
    cosine = radius * std::bit_cast<float>(std::bit_cast<std::uint32_t>(first) ^ sign_of_cosine);
    sine = radius * std::bit_cast<float>(std::bit_cast<std::uint32_t>(second) ^ sign_of_sine);
}

/// Writes the pairs of `words` whose radius takes 32 bits more. Rare: one pair in 4096.
void refine_tail(const ChaChaState& state, std::uint32_t first_block,
                 const std::uint32_t (&words)[kNoiseGroup], float (&out)[kNoiseGroup]);

/// With 512 bits there are 32 registers: room for two chains.
template <std::size_t kVector>
inline constexpr std::size_t kChains = kVector == 16 ? 2 : 1;

/// How many times normals_of_group() calls `between`.
template <std::size_t kVector>
inline constexpr std::size_t kPauses = kRounds* kNoiseLanes / (kVector * kChains<kVector>);

/// All normals of a group, in stream order. Calls between(i), i < kPauses, at even distances: for
/// memory that is to be asked for while the cipher computes.
template <std::size_t kVector, class Between>
[[gnu::always_inline]] inline void normals_of_group(const ChaChaState& state, std::uint64_t group,
                                                    float (&out)[kNoiseGroup],
                                                    const Between& between)
{
    const auto first_block = static_cast<std::uint32_t>(group * kNoiseLanes);
    alignas(64) std::uint32_t words[kNoiseGroup];
    constexpr std::uint32_t kBlocks = kVector * kChains<kVector>;
    for (std::uint32_t lane = 0; lane < kNoiseLanes; lane += kBlocks)
        chacha_blocks<kVector, kChains<kVector>>(
            state, first_block + lane,
            words + lane, [&](std::size_t round) __attribute__((always_inline)) {
                between(lane / kBlocks * kRounds + round);
            });
    std::uint32_t least = kRefinedBelow;
    for (std::size_t at = 0; at < kNoiseGroup; at += 2 * kNoiseLanes)
        for (std::size_t lane = 0; lane < kNoiseLanes; ++lane) {
            const std::uint32_t a = words[at + lane];
            least = std::min(least, a);
            normal_pair(a, words[at + kNoiseLanes + lane], out[at + lane],
                        out[at + kNoiseLanes + lane]);
        }
    if (least < kRefinedBelow) [[unlikely]]
        refine_tail(state, first_block, words, out);
}

} // namespace velamen::kernels::cpu
