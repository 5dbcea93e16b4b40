// SPDX-License-Identifier: GPL-3.0-or-later
//
// Text in PNG files: chunks put behind the header and read back. Not an encoder of pixels. libvips
// would compress the text, which many readers skip.

#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

namespace velamen::image {

bool is_png(std::span<const std::byte> file) noexcept;

/// A copy of `png` with tEXt chunks and, when `xmp` is not empty, an iTXt chunk that holds it
/// (PNG specification 11.3.4; keyword of XMP Specification Part 3). InvalidArgument for keywords
/// that are not 1 to 79 ASCII characters and for zero bytes.
Result<std::vector<std::byte>> with_text(std::span<const std::byte> png,
                                         const std::map<std::string, std::string>& text,
                                         std::string_view xmp);

/// The tEXt entries; Corrupt when the file ends before its end chunk or a checksum is wrong.
Result<std::map<std::string, std::string>> text_of(std::span<const std::byte> png);

} // namespace velamen::image
