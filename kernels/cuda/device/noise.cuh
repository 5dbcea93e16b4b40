// SPDX-License-Identifier: GPL-3.0-or-later
//
// The noise stream of kernels/api/gaussian_fill.h on the device: one thread makes one block of
// sixteen normals, a warp one group.

#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/api/gaussian_fill.h"

namespace velamen::kernels::cuda {

/// Passed to kernels by value.
struct ChaChaWords {
    std::uint32_t words[16];
};

inline ChaChaWords words_of(const NoiseStreamId& id)
{
    ChaChaWords state{{0x61707865U, 0x3320646eU, 0x79622d32U, 0x6b206574U}};
    std::memcpy(state.words + 4, id.key.data(), 32);
    std::memcpy(state.words + 13, id.nonce.data(), 12);
    return state;
}

__device__ __forceinline__ std::uint32_t rotate_left(std::uint32_t x, int bits)
{
    return __funnelshift_l(x, x, bits);
}

__device__ __forceinline__ void quarter_round(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c,
                                              std::uint32_t& d)
{
    a += b;
    d = rotate_left(d ^ a, 16);
    c += d;
    b = rotate_left(b ^ c, 12);
    a += b;
    d = rotate_left(d ^ a, 8);
    c += d;
    b = rotate_left(b ^ c, 7);
}

__device__ __forceinline__ void chacha_block(const ChaChaWords& state, std::uint32_t counter,
                                             std::uint32_t (&x)[16])
{
#pragma unroll
    for (int i = 0; i < 16; ++i)
        x[i] = i == 12 ? counter : state.words[i];
#pragma unroll
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
#pragma unroll
    for (int i = 0; i < 16; ++i)
        x[i] += i == 12 ? counter : state.words[i];
}

/// -2 ln u: from u itself below one half, from 1 - u above, so that no bit of `a` is lost.
__device__ __forceinline__ float squared_radius(std::uint32_t a)
{
    if (a < 0x80000000U) return -2.0F * logf(static_cast<float>(a) * 0x1p-32F + 0x1p-33F);
    return -2.0F * log1pf(-(static_cast<float>(~a) * 0x1p-32F + 0x1p-33F));
}

/// The sixteen normals of a block, one for each row of its group.
__device__ inline void normals_of_block(const ChaChaWords& state, std::uint32_t block,
                                        float (&out)[16])
{
    std::uint32_t x[16];
    chacha_block(state, block, x);
    bool is_refined = false;
#pragma unroll
    for (int p = 0; p < 8; ++p) {
        is_refined = is_refined || x[2 * p] < kRefinedBelow;
        const float radius = sqrtf(squared_radius(x[2 * p]));
        // The angle as the nearest quarter turn and what is left of it, in half turns.
        const std::uint32_t quarter = (x[2 * p + 1] + 0x20000000U) >> 30;
        const auto rest = static_cast<std::int32_t>((x[2 * p + 1] << 2) | 2U);
        float sine = 0.0F;
        float cosine = 0.0F;
        sincospif(static_cast<float>(rest) * 0x1p-33F, &sine, &cosine);
        const float first = (quarter & 1U) != 0 ? sine : cosine;
        const float second = (quarter & 1U) != 0 ? cosine : sine;
        out[2 * p] = radius * (quarter == 1 || quarter == 2 ? -first : first);
        out[2 * p + 1] = radius * (quarter >= 2 ? -second : second);
    }
    if (!is_refined) return;
    std::uint32_t more[16];
    chacha_block(state, block + kRefiningBlocks, more);
#pragma unroll
    for (int p = 0; p < 8; ++p) {
        if (x[2 * p] >= kRefinedBelow) continue;
        const double u = (x[2 * p] * 0x1p32 + more[2 * p] + 0.5) * 0x1p-64;
        const double radius = sqrt(-2.0 * log(u));
        double sine = 0.0;
        double cosine = 0.0;
        sincospi((x[2 * p + 1] + 0.5) * 0x1p-31, &sine, &cosine);
        out[2 * p] = static_cast<float>(radius * cosine);
        out[2 * p + 1] = static_cast<float>(radius * sine);
    }
}

/// Where normals of a job are made: the blocks of the groups that touch [first, first + count).
struct BlockRange {
    std::uint64_t first = 0, count = 0;
};

inline BlockRange blocks_of(std::uint64_t first, std::uint64_t count)
{
    const std::uint64_t begin = first / kNoiseGroup;
    const std::uint64_t end = (first + count + kNoiseGroup - 1) / kNoiseGroup;
    return {begin * kNoiseLanes, (end - begin) * kNoiseLanes};
}

/// Position in the stream of a block's normal in a row.
__device__ __forceinline__ std::uint64_t position_of(std::uint64_t block, int row)
{
    return block / kNoiseLanes * kNoiseGroup + static_cast<std::uint64_t>(row) * kNoiseLanes
        + block % kNoiseLanes;
}

} // namespace velamen::kernels::cuda
