// SPDX-License-Identifier: GPL-3.0-or-later
//
// The part of codec.h that needs no image library: sheets and blurring, in whole numbers, so that
// equal pictures give equal pictures on every machine.

#include <algorithm>
#include <cstddef>

#include "engine/core/assert.h"
#include "engine/image/codec.h"

namespace velamen::image {

namespace {

constexpr std::uint8_t kGap = 128;

// One direction of a box blur; samples beyond the border repeat the border's. `step` leads to the
// next sample of a line of `length`.
void blur_line(const std::uint8_t* from, std::uint8_t* to, int length, std::ptrdiff_t step,
               int radius)
{
    const auto sample = [&](int i) {
        return static_cast<std::uint32_t>(from[std::clamp(i, 0, length - 1) * step]);
    };
    const auto width = static_cast<std::uint32_t>(2 * radius + 1);
    std::uint32_t sum = 0;
    for (int i = -radius; i <= radius; ++i)
        sum += sample(i);
    for (int i = 0; i < length; ++i) {
        to[i * step] = static_cast<std::uint8_t>((sum + width / 2) / width);
        sum += sample(i + radius + 1);
        sum -= sample(i - radius);
    }
}

} // namespace

Image contact_sheet(std::span<const Image> images, int columns, int gap)
{
    VELAMEN_ASSERT(columns > 0 && gap >= 0);
    if (images.empty()) return {};
    const Image& first = images.front();
    const int count = static_cast<int>(images.size());
    const int across = std::min(columns, count);
    const int down = (count + across - 1) / across;
    Image sheet{.width = across * first.width + (across - 1) * gap,
                .height = down * first.height + (down - 1) * gap,
                .channels = first.channels};
    sheet.pixels.assign(static_cast<std::size_t>(sheet.width)
                            * static_cast<std::size_t>(sheet.height)
                            * static_cast<std::size_t>(sheet.channels),
                        kGap);
    const auto row = static_cast<std::ptrdiff_t>(first.width) * first.channels;
    for (int i = 0; i < count; ++i) {
        const Image& image = images[static_cast<std::size_t>(i)];
        VELAMEN_ASSERT(image.width == first.width && image.height == first.height
                       && image.channels == first.channels);
        const int left = i % across * (first.width + gap);
        const int top = i / across * (first.height + gap);
        for (int y = 0; y < first.height; ++y)
            std::copy_n(image.pixels.begin() + y * row, row,
                        sheet.pixels.begin()
                            + (static_cast<std::ptrdiff_t>(top + y) * sheet.width + left)
                                * sheet.channels);
    }
    return sheet;
}

Image blurred(const Image& image, int radius)
{
    VELAMEN_ASSERT(radius >= 0);
    if (radius == 0 || image.pixels.empty()) return image;
    const std::ptrdiff_t across = image.channels;
    const std::ptrdiff_t down = across * image.width;
    Image half = image;
    for (int y = 0; y < image.height; ++y)
        for (int c = 0; c < image.channels; ++c)
            blur_line(image.pixels.data() + y * down + c, half.pixels.data() + y * down + c,
                      image.width, across, radius);
    Image result = half;
    for (int x = 0; x < image.width; ++x)
        for (int c = 0; c < image.channels; ++c)
            blur_line(half.pixels.data() + x * across + c, result.pixels.data() + x * across + c,
                      image.height, down, radius);
    return result;
}

} // namespace velamen::image
