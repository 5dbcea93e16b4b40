// SPDX-License-Identifier: GPL-3.0-or-later
//
// From a list of file names to the paths that keys look at. Knows no disk, no zip and no pixels, so
// that the rules about folders can be read and tested in one place.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace velamen::data {

inline constexpr std::string_view kUnlabelled = "unlabelled";

/// Whether `name` is the kind of file that systems leave behind: any part that starts with a dot,
/// "__MACOSX", "Thumbs.db", "desktop.ini".
bool is_ignored(std::string_view name);

/// Whether the ending is one of an image format (readable or not).
bool is_named_like_image(std::string_view name);

/// The files of a source in the order of their bytes, without ignored ones.
struct Listing {
    std::string root; ///< folder that is taken for the root, with its slash; usually empty
    std::vector<std::string> names;
};

/// `unwrap`: when everything lies in one common folder in which some image lies `levels` folders
/// deep or deeper (at least 1), that folder is taken for the root.
Listing listed(std::vector<std::string> names, bool unwrap, int levels = 1);

/// `name` below the root; files outside it keep their whole name.
std::string_view path_in(const Listing& listing, std::string_view name);

/// The folder of `path` at a level, counted from 0; nothing when it does not lie that deep.
std::optional<std::string_view> folder_at(std::string_view path, int level);

} // namespace velamen::data
