// SPDX-License-Identifier: GPL-3.0-or-later
//
// From a list of file names to files that may be images, each with its class. Knows no disk, no zip
// and no pixels, so that the rules about folders can be read and tested in one place.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace velamen::data {

inline constexpr std::string_view kUnlabelled = "unlabelled";

struct ListedFile {
    std::string name; ///< path inside the source
    std::string class_name;
};

/// Whether `name` is the kind of file that systems leave behind: any part that starts with a dot,
/// "__MACOSX", "Thumbs.db", "desktop.ini".
bool is_ignored(std::string_view name);

/// Whether the ending is one of an image format (readable or not).
bool is_named_like_image(std::string_view name);

/// Sorted, without ignored files. `unwrap`: when everything lies in one common folder that has
/// folders in it, that folder is taken for the root.
std::vector<ListedFile> listed(std::vector<std::string> names, bool unwrap);

} // namespace velamen::data
