// SPDX-License-Identifier: GPL-3.0-or-later
//
// A decoded picture: 8-bit samples, interleaved, rows without padding.

#pragma once

#include <cstdint>
#include <vector>

namespace velamen::image {

struct Image {
    int width = 0;
    int height = 0;
    int channels = 1;                 ///< 1 grey, 3 RGB
    std::vector<std::uint8_t> pixels; // [height, width, channels]
};

} // namespace velamen::image
