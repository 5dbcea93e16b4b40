// SPDX-License-Identifier: GPL-3.0-or-later
//
// Public randomness that anyone can repeat: Philox4x32-10 (Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3") and Box-Muller. Starting noise of samples and draws of public
// training come from here; the noise that a privacy guarantee rests on never does (core/random.h).

#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace velamen::generate {

/// Block `counter` of the stream that belongs to `key`: four 32-bit words.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) noexcept;

/// The words of one (seed, stream): the same on every machine, whatever was drawn before elsewhere.
/// Key = seed (low word, high word); counter = (block low, block high, stream low, stream high).
/// Not thread-safe.
class CounterNoise {
public:
    CounterNoise(std::uint64_t seed, std::uint64_t stream) noexcept;

    std::uint64_t next_u64() noexcept;
    /// Uniform in [0, 1), 53 bits.
    double uniform() noexcept;
    /// Uniform in [0, bound), bias below 2^-64 * bound. bound > 0.
    std::uint64_t below(std::uint64_t bound) noexcept;
    /// Standard normal, in pairs: cosine branch first.
    void normals(std::span<float> out) noexcept;

private:
    std::array<std::uint32_t, 2> key_;
    std::uint64_t stream_;
    std::uint64_t block_ = 0;
    std::array<std::uint32_t, 4> words_{};
    int used_ = 4;
};

} // namespace velamen::generate
