// SPDX-License-Identifier: GPL-3.0-or-later
//
// The centre line of a drawn letter.

#pragma once

#include <cstdint>
#include <vector>

namespace velamen::data {

/// Black and white, row by row; true is ink.
struct Bitmap {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> ink; // [height, width], 0 or 1
};

/// Thins the ink to lines one pixel wide that keep its connections (Zhang and Suen 1984, "A fast
/// parallel algorithm for thinning digital patterns").
Bitmap thinned(Bitmap bitmap);

} // namespace velamen::data
