// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/skeleton.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace velamen::data {

Bitmap thinned(Bitmap bitmap)
{
    // A border of paper, so that every pixel has eight neighbours.
    const std::ptrdiff_t stride = bitmap.width + 2;
    std::vector<std::uint8_t> grid(static_cast<std::size_t>(stride * (bitmap.height + 2)), 0);
    std::vector<std::ptrdiff_t> ink;
    for (int y = 0; y < bitmap.height; ++y)
        for (int x = 0; x < bitmap.width; ++x)
            if (bitmap.ink[static_cast<std::size_t>(y * bitmap.width + x)] != 0) {
                ink.push_back((y + 1) * stride + x + 1);
                grid[static_cast<std::size_t>(ink.back())] = 1;
            }

    // P2 to P9 of the paper: north, then clockwise.
    const std::array<std::ptrdiff_t, 8> around{-stride, 1 - stride, 1,  stride + 1,
                                               stride,  stride - 1, -1, -stride - 1};
    std::vector<std::ptrdiff_t> removed;
    bool changed = true;
    while (changed) {
        changed = false;
        for (const bool second : {false, true}) {
            removed.clear();
            for (const auto place : ink) {
                std::array<int, 8> p{};
                int neighbours = 0;
                for (std::size_t i = 0; i < 8; ++i)
                    neighbours += p[i] = grid[static_cast<std::size_t>(place + around[i])];
                if (neighbours < 2 || neighbours > 6) continue;
                int crossings = 0;
                for (std::size_t i = 0; i < 8; ++i)
                    crossings += p[i] == 0 && p[(i + 1) % 8] == 1;
                if (crossings != 1) continue;
                const int north = p[0], east = p[2], south = p[4], west = p[6];
                const bool open = second ? north * east * west == 0 && north * south * west == 0
                                         : north * east * south == 0 && east * south * west == 0;
                if (open) removed.push_back(place);
            }
            for (const auto place : removed)
                grid[static_cast<std::size_t>(place)] = 0;
            if (!removed.empty()) {
                changed = true;
                std::erase_if(ink, [&](std::ptrdiff_t place) {
                    return grid[static_cast<std::size_t>(place)] == 0;
                });
            }
        }
    }
    std::fill(bitmap.ink.begin(), bitmap.ink.end(), std::uint8_t{0});
    for (const auto place : ink)
        bitmap.ink[static_cast<std::size_t>((place / stride - 1) * bitmap.width + place % stride
                                            - 1)] = 1;
    return bitmap;
}

} // namespace velamen::data
