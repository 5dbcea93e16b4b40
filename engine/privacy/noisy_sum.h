// SPDX-License-Identifier: GPL-3.0-or-later
//
// What statistics of private units share: sums of integers on a fixed grid, and the noise that a
// ledger line was charged for. Internal to engine/privacy.

#pragma once

#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "engine/core/random.h"
#include "engine/privacy/ledger.h"

namespace velamen::privacy {

// A sum has at most 2^26 units of 2^36 steps, noise at most 2^20 * 36.8 * 2^36: within 63 bits.
inline constexpr double kSumGrid = 0x1p36;
inline constexpr std::int64_t kMostSummedUnits = std::int64_t{1} << 26;
/// Far above what 2^20 roundings of floating point make of a norm: contributions stay below 1.
inline constexpr double kNormMargin = 1.0 + 1e-9;

template <class T>
Result<std::vector<T>> zeros(std::size_t count)
{
    try {
        return std::vector<T>(count);
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory,
                    "no memory for " + std::to_string(count) + " numbers of a statistic",
                    "close other programs, or ask for fewer dimensions or bins");
    }
}

/// How many rows of `width` there are, when they are whole and still fit beside the `known` ones.
Result<std::int64_t> count_rows(std::size_t values, std::size_t width, std::int64_t known);

/// Towards zero: a contribution never grows.
inline std::int64_t steps_of(double value) { return static_cast<std::int64_t>(value * kSumGrid); }

Error no_right(const std::string& what);

/// The noise that was charged, relative to a sensitivity of 1.
struct ChargedNoise {
    bool is_laplace;
    double scale;
};
/// Of one Gaussian or Laplace release. InvalidArgument: anything else, or more noise than 2^20.
Result<ChargedNoise> noise_of(const SpentRelease& right);

/// Each sum with its noise, in units of the contributions. Laplace noise: one bit of the sign, 53
/// of the size, so that both tails are the same.
void add_noise(std::span<const std::int64_t> sums, const ChargedNoise& noise,
               core::SecureStream& stream, std::span<double> out);

} // namespace velamen::privacy
