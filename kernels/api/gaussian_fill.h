// SPDX-License-Identifier: GPL-3.0-or-later
//
// The noise stream: standard normals from ChaCha20 (RFC 8439, 96-bit nonce, 32-bit block counter)
// by Box-Muller. One definition for all devices, equal up to the rounding of the last float bit:
//
//   normal n comes from block n / 8, whose 16 words make 4 pairs. Pair p of a block takes the words
//   r = w[4p] + 2^32 w[4p+1] and s = w[4p+2] + 2^32 w[4p+3], of each the upper 52 bits, and
//   u = 1 - floor(r / 2^12) 2^-52 in (0, 1],  v = floor(s / 2^12) 2^-52 in [0, 1);
//   normal 8b + 2p = sqrt(-2 ln u) cos(2 pi v),  normal 8b + 2p + 1 = sqrt(-2 ln u) sin(2 pi v),
//   computed in double and rounded to float.
//
// The tail ends at sqrt(2 ln 2^52) = 8.49; a true normal exceeds that with probability 2e-17.
// Position n is addressed directly, so parts of one stream may be filled in any order.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/api/status.h"

namespace velamen::kernels {

/// Normals of one (key, nonce): 8 per block, 2^32 blocks.
inline constexpr std::uint64_t kNormalsPerStream = std::uint64_t{8} << 32;

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
Status gaussian_fill(Stream stream, const GaussianFill& job) noexcept;
} // namespace reference
namespace cuda {
Status gaussian_fill(Stream stream, const GaussianFill& job) noexcept;
}

} // namespace velamen::kernels
