// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/listing.h"

#include <algorithm>
#include <array>

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

// The common folder with its slash; empty when there is none or only images lie in it.
std::string wrapping(const std::vector<std::string>& names)
{
    const auto first = std::find_if(names.begin(), names.end(), is_named_like_image);
    if (first == names.end()) return {};
    const auto slash = first->find('/');
    if (slash == std::string::npos) return {};
    const std::string_view folder = std::string_view(*first).substr(0, slash + 1);
    bool has_folders = false;
    for (const auto& name : names) {
        if (!is_named_like_image(name)) continue;
        if (!std::string_view(name).starts_with(folder)) return {};
        has_folders = has_folders || name.find('/', folder.size()) != std::string::npos;
    }
    return has_folders ? std::string(folder) : std::string();
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

std::vector<ListedFile> listed(std::vector<std::string> names, bool unwrap)
{
    std::erase_if(names, is_ignored);
    std::sort(names.begin(), names.end());
    const std::string root = unwrap ? wrapping(names) : std::string();
    std::vector<ListedFile> files;
    files.reserve(names.size());
    for (auto& name : names) {
        const std::size_t from = name.starts_with(root) ? root.size() : 0;
        const auto slash = name.find('/', from);
        std::string class_name(slash == std::string::npos
                                   ? kUnlabelled
                                   : std::string_view(name).substr(from, slash - from));
        files.push_back({.name = std::move(name), .class_name = std::move(class_name)});
    }
    return files;
}

} // namespace velamen::data
