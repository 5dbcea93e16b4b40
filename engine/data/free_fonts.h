// SPDX-License-Identifier: GPL-3.0-or-later
//
// The font families that the public letters may be drawn with, and under which licence each is.
// A fixed list: a font that happens to lie on a machine is never used unless it is in it.

#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace velamen::data {

struct FreeFamily {
    std::string_view family;  ///< as the font file names itself
    std::string_view package; ///< of Debian 12
    std::string_view licence; ///< from the package's copyright file
};

/// Sorted by family.
std::span<const FreeFamily> free_families();
/// Null when the family is not in the list.
const FreeFamily* free_family(std::string_view family);

/// The font files under `root` (TrueType or OpenType) whose family is in the list, at most four a
/// family, sorted. Empty when none is installed.
std::vector<std::filesystem::path>
find_free_fonts(const std::filesystem::path& root = "/usr/share/fonts");

} // namespace velamen::data
