// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/listing.h"

#include <algorithm>
#include <array>
#include <utility>

namespace velamen::data {

namespace {

std::string lower(std::string_view text)
{
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

// The common folder with its slash; empty when there is none or images lie in it less than `levels`
// deep.
std::string wrapping(const std::vector<std::string>& names, int levels)
{
    const auto first = std::find_if(names.begin(), names.end(), is_named_like_image);
    if (first == names.end()) return {};
    const auto slash = first->find('/');
    if (slash == std::string::npos) return {};
    const std::string_view folder = std::string_view(*first).substr(0, slash + 1);
    bool is_deep = false;
    for (const auto& name : names) {
        if (!is_named_like_image(name)) continue;
        if (!std::string_view(name).starts_with(folder)) return {};
        is_deep = is_deep || folder_at(name, levels);
    }
    return is_deep ? std::string(folder) : std::string();
}

} // namespace

bool is_ignored(std::string_view name)
{
    for (;;) {
        const auto slash = name.find('/');
        const auto part = name.substr(0, slash);
        if (part.starts_with('.') || part == "__MACOSX" || part == "Thumbs.db"
            || part == "desktop.ini")
            return true;
        if (slash == std::string_view::npos) return false;
        name.remove_prefix(slash + 1);
    }
}

bool is_named_like_image(std::string_view name)
{
    static constexpr std::array<std::string_view, 11> endings{".png", ".jpg",  ".jpeg", ".jpe",
                                                              ".tif", ".tiff", ".webp", ".gif",
                                                              ".bmp", ".heic", ".avif"};
    const std::string small = lower(name);
    return std::any_of(endings.begin(), endings.end(),
                       [&](std::string_view ending) { return small.ends_with(ending); });
}

Listing listed(std::vector<std::string> names, bool unwrap, int levels)
{
    std::erase_if(names, is_ignored);
    std::sort(names.begin(), names.end());
    std::string root = unwrap ? wrapping(names, std::max(1, levels)) : std::string();
    return {.root = std::move(root), .names = std::move(names)};
}

std::string_view path_in(const Listing& listing, std::string_view name)
{
    if (name.starts_with(listing.root)) name.remove_prefix(listing.root.size());
    return name;
}

std::optional<std::string_view> folder_at(std::string_view path, int level)
{
    for (;; --level) {
        const auto slash = path.find('/');
        if (slash == std::string_view::npos) return std::nullopt;
        if (level == 0) return path.substr(0, slash);
        path.remove_prefix(slash + 1);
    }
}

} // namespace velamen::data
