// SPDX-License-Identifier: GPL-3.0-or-later
//
// Image files to pixels and back. The library behind it (libvips) is hidden; untrusted loaders are
// blocked. Thread-safe.

#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/image/image.h"

namespace velamen::image {

struct Target {
    int size = 32;    ///< the shorter side is scaled to it, then the centre is cut out (square)
    int channels = 1; ///< 1 or 3; colour is converted, transparency is laid on black
};

/// PNG, JPEG, TIFF, WebP, GIF (first frame), BMP not yet. EXIF rotation is applied. Corrupt when it
/// cannot be decoded to the last row. The message never holds the file's name or content.
Result<Image> decode(std::span<const std::byte> file, const Target& target);
/// Width and height from the header, without decoding.
struct Size {
    int width = 0;
    int height = 0;
};
Result<Size> probe(std::span<const std::byte> file);
/// The same, after decoding to the last row: what a scan needs, at a fraction of the cost of
/// decode().
Result<Size> verify(std::span<const std::byte> file);

/// A PNG with tEXt entries and, when not empty, an XMP packet.
Result<std::vector<std::byte>> encode_png(const Image& image,
                                          const std::map<std::string, std::string>& text = {},
                                          const std::string& xmp = {});
/// The tEXt entries of a PNG (for verify and tests).
Result<std::map<std::string, std::string>> png_text(std::span<const std::byte> file);

/// Images of equal size in rows of `columns`, `gap` pixels of grey between them.
Image contact_sheet(std::span<const Image> images, int columns, int gap = 2);
/// A box-blurred copy (thumbnails of private images before they are revealed).
Image blurred(const Image& image, int radius);

} // namespace velamen::image
