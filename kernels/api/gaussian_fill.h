// SPDX-License-Identifier: GPL-3.0-or-later
//
// The noise stream: standard normals from ChaCha20 (RFC 8439, 96-bit nonce, 32-bit block counter)
// by Box-Muller. One definition for all devices:
//
//   Normals come in groups of 512 from 32 blocks. Normal n is of group n / 512, block
//   b = 32 (n / 512) + n % 32 and row (n / 32) % 16, so that neighbours lie in neighbouring lanes
//   of a vector unit or threads of a warp. Rows 2p and 2p + 1 are the pair
//     sqrt(-2 ln u) cos(2 pi v),  sqrt(-2 ln u) sin(2 pi v),
//   of the block's words a = w[2p] and c = w[2p + 1], with v = (c + 1/2) 2^-32 and
//     u = (a + 1/2) 2^-32             where a >= 2^20,
//     u = (2^32 a + e + 1/2) 2^-64    where a < 2^20, e being word 2p of block b + 2^31.
//
// 32 bits a normal suffice because the few pairs that need more get it: below u = 2^-12 (beyond the
// radius 4.08) steps of 2^-32 would set radii further apart than floats are. The tail ends at
// sqrt(2 ln 2^65) = 9.49; a true normal exceeds that with probability 2e-21. Fast versions compute
// in float, with errors below 2^-21 of the value.
// Position n is addressed directly, so parts of one stream may be filled in any order.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/api/status.h"

namespace velamen::kernels {

inline constexpr std::size_t kNoiseLanes = 32;                         ///< blocks of a group
inline constexpr std::size_t kNoiseGroup = 16 * kNoiseLanes;           ///< normals of a group
inline constexpr std::uint32_t kRefinedBelow = std::uint32_t{1} << 20; ///< first words that need e
inline constexpr std::uint32_t kRefiningBlocks = std::uint32_t{1} << 31;

/// Normals of one (key, nonce): 16 per block, 2^31 blocks.
inline constexpr std::uint64_t kNormalsPerStream = std::uint64_t{16} << 31;

/// Always host memory. Use a nonce once per key.
struct NoiseStreamId {
    std::array<std::uint8_t, 32> key{};
    std::array<std::uint8_t, 12> nonce{};
};

struct GaussianFill {
    const NoiseStreamId* id = nullptr;
    std::uint64_t first = 0; ///< index of out[0] in the stream
    float stddev = 1.0F;
    std::span<float> out;
};

namespace cpu {
Status gaussian_fill(Stream stream, const GaussianFill& job) noexcept;
}
namespace reference {
/// One block of the ChaCha20 key stream (RFC 8439, section 2.3).
void chacha20_block(const NoiseStreamId& id, std::uint32_t counter,
                    std::span<std::uint8_t, 64> out) noexcept;
/// Normal `index` of the stream, in double.
double normal_at(const NoiseStreamId& id, std::uint64_t index) noexcept;
Status gaussian_fill(Stream stream, const GaussianFill& job) noexcept;
} // namespace reference
namespace cuda {
Status gaussian_fill(Stream stream, const GaussianFill& job) noexcept;
}

} // namespace velamen::kernels
