// SPDX-License-Identifier: GPL-3.0-or-later
//
// Philox4x32-10 as published, with its constants; uniform and normal numbers from its words.

#include "engine/generate/noise.h"

#include <cmath>
#include <numbers>

namespace velamen::generate {

namespace {

__extension__ using Wide = unsigned __int128;

std::uint32_t low(std::uint64_t value) noexcept { return static_cast<std::uint32_t>(value); }

std::uint32_t high(std::uint64_t value) noexcept { return static_cast<std::uint32_t>(value >> 32); }

} // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) noexcept
{
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
        counter = {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    return counter;
}

CounterNoise::CounterNoise(std::uint64_t seed, std::uint64_t stream) noexcept
    : key_{low(seed), high(seed)}, stream_(stream)
{
}

std::uint64_t CounterNoise::next_u64() noexcept
{
    if (used_ >= 4) {
        words_ = philox({low(block_), high(block_), low(stream_), high(stream_)}, key_);
        ++block_;
        used_ = 0;
    }
    const auto at = static_cast<std::size_t>(used_);
    used_ += 2;
    return words_[at] | (std::uint64_t{words_[at + 1]} << 32);
}

double CounterNoise::uniform() noexcept { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

std::uint64_t CounterNoise::below(std::uint64_t bound) noexcept
{
    return static_cast<std::uint64_t>((static_cast<Wide>(next_u64()) * bound) >> 64);
}

void CounterNoise::normals(std::span<float> out) noexcept
{
    for (std::size_t i = 0; i < out.size(); i += 2) {
        const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform())); // 1 - u in (0, 1]
        const double angle = 2.0 * std::numbers::pi * uniform();
        out[i] = static_cast<float>(radius * std::cos(angle));
        if (i + 1 < out.size()) out[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
}

} // namespace velamen::generate
