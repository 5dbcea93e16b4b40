// SPDX-License-Identifier: GPL-3.0-or-later
//
// Exact noise over the integers. No floating point takes part in it, so no rounding can betray what
// the noise hides (Mironov 2012). Its accounting is in composition.h.

#pragma once

#include <cstdint>
#include <span>

#include "engine/core/quantity.h"
#include "engine/core/random.h"

namespace velamen::privacy {

struct NoiseScaleTag {
    static constexpr const char* name = "scale of the discrete noise";
    static constexpr const char* range = "from 1 to 2^50";
    static constexpr bool valid(std::int64_t v) { return v >= 1 && v <= std::int64_t{1} << 50; }
};
using NoiseScale = Quantity<NoiseScaleTag, std::int64_t>; ///< s, in steps of the grid

/// Every sample lies strictly between -kNoiseLimit and kNoiseLimit: a larger one, of probability
/// below e^-4095, ends the program.
inline constexpr std::int64_t kNoiseLimit = std::int64_t{1} << 62;

/// One sample x with P(x) proportional to exp(-x^2 / (2 s^2)), exact for a stream of uniform words
/// (Canonne, Kamath, Steinke, arXiv 2004.00010, algorithms 1 to 3). Its variance is at most s^2.
/// The time that it takes depends on the sample: draw before the data are looked at.
std::int64_t discrete_gaussian(core::SecureStream& stream, NoiseScale scale);
/// The same for each element.
void discrete_gaussians(core::SecureStream& stream, NoiseScale scale, std::span<std::int64_t> out);

} // namespace velamen::privacy
