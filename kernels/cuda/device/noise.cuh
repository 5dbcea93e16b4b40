// SPDX-License-Identifier: GPL-3.0-or-later
//
// The noise stream of kernels/api/gaussian_fill.h on the device: one thread makes one block of
// eight normals.

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

__device__ inline void normals_of_block(const ChaChaWords& state, std::uint32_t counter,
                                        float (&out)[8])
{
    std::uint32_t x[16];
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
#pragma unroll
    for (int p = 0; p < 4; ++p) {
        const std::uint64_t r = x[4 * p] | (static_cast<std::uint64_t>(x[4 * p + 1]) << 32);
        const std::uint64_t s = x[4 * p + 2] | (static_cast<std::uint64_t>(x[4 * p + 3]) << 32);
        const double u = 1.0 - static_cast<double>(r >> 12) * 0x1p-52;
        const double v = static_cast<double>(s >> 12) * 0x1p-52;
        const double radius = sqrt(-2.0 * log(u));
        double sine = 0.0;
        double cosine = 0.0;
        sincospi(2.0 * v, &sine, &cosine);
        out[2 * p] = static_cast<float>(radius * cosine);
        out[2 * p + 1] = static_cast<float>(radius * sine);
    }
}

} // namespace velamen::kernels::cuda
