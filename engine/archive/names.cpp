// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/archive/names.h"

#include <algorithm>

namespace velamen::archive {

const char* fault_of_name(std::string_view name) noexcept
{
    if (name.empty()) return "is empty";
    if (name.size() > 4096) return "is longer than 4096 bytes";
    if (std::any_of(name.begin(), name.end(), [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return byte < 32 || byte == 127;
        }))
        return "contains control characters";
    if (name.find('\\') != std::string_view::npos) return "contains a backslash";
    if (name.front() == '/') return "is an absolute path";
    if (name.size() >= 2 && name[1] == ':') return "is an absolute path";
    if (name.back() == '/') name.remove_suffix(1);
    for (;;) {
        const auto slash = name.find('/');
        const auto part = name.substr(0, slash);
        if (part.empty()) return "has an empty part";
        if (part == "..") return "climbs out of its folder (\"..\")";
        if (part == ".") return "has the part \".\"";
        if (slash == std::string_view::npos) return nullptr;
        name.remove_prefix(slash + 1);
    }
}

} // namespace velamen::archive
