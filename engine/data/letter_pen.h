// SPDX-License-Identifier: GPL-3.0-or-later
//
// One letter, drawn as if by hand: the points of a glyph bent, then traced with a soft pen. Knows
// no fonts and no files; letters.h puts it to work.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/image/image.h"

namespace velamen::data {

/// A place in the 96 x 96 box in which glyphs are taken apart.
struct GlyphPoint {
    std::uint8_t x = 0;
    std::uint8_t y = 0;
};

inline constexpr int kGlyphBox = 96;
inline constexpr int kGlyphSide = 72; ///< the longer side of a glyph inside it

struct GlyphShape {
    std::vector<GlyphPoint> skeleton; ///< its centre line
    std::vector<GlyphPoint> area;     ///< all of its ink
};

/// Public randomness for pictures (SplitMix64): the same for the same pair on every machine.
class PenRandom {
public:
    PenRandom(std::uint64_t seed, std::uint64_t index);
    std::uint64_t next();
    double uniform(); ///< [0, 1)
    double normal();

private:
    std::uint64_t state_;
};

/// 32 x 32 grey; nothing when the bent letter leaves almost no ink.
std::optional<image::Image> draw_letter(const GlyphShape& shape, PenRandom& random);

} // namespace velamen::data
