// SPDX-License-Identifier: GPL-3.0-or-later
//
// The private images as latents, encoded once and kept in memory. Private as a whole.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace velamen::data {

/// Latents of all images: row i belongs to image i of the manifest.
struct LatentCache {
    int channels = 0;
    int height = 0;
    int width = 0;
    std::vector<float> values;             // [images, channels, height, width], already scaled
    std::vector<std::int64_t> class_index; // [images]

    std::int64_t row() const noexcept
    {
        return static_cast<std::int64_t>(channels) * height * width;
    }
    std::int64_t count() const noexcept { return static_cast<std::int64_t>(class_index.size()); }
    std::span<const float> latent(std::int64_t image) const
    {
        return std::span(values).subspan(static_cast<std::size_t>(image * row()),
                                         static_cast<std::size_t>(row()));
    }
};

} // namespace velamen::data
