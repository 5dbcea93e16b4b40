// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/keymap/part.h"

#include <utility>

namespace velamen::keymap {

bool Part::add(std::string name, std::size_t source)
{
    return names_.emplace(std::move(name), source).second;
}

const Entry* Part::find(std::string_view name) const
{
    const auto at = names_.find(name);
    return at == names_.end() ? nullptr : &entries_[at->second];
}

std::int64_t Part::dim(std::string_view name, std::size_t axis) const
{
    const Entry* entry = find(name);
    return entry == nullptr || axis >= entry->shape.size() ? 0 : entry->shape[axis];
}

bool Part::has_below(std::string_view path) const
{
    const auto at = names_.lower_bound(path);
    return at != names_.end() && at->first.starts_with(path);
}

std::int64_t Part::count_below(std::string_view path) const
{
    std::int64_t count = 0;
    while (count < 1024 && has_below(std::string(path) + std::to_string(count) + "."))
        ++count;
    return count;
}

std::string_view first_segment(std::string_view name) { return name.substr(0, name.find('.')); }

std::string_view last_segment(std::string_view name)
{
    const auto dot = name.rfind('.');
    return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::vector<std::string_view> segments(std::string_view name)
{
    std::vector<std::string_view> found;
    for (;;) {
        const auto dot = name.find('.');
        found.push_back(name.substr(0, dot));
        if (dot == std::string_view::npos) return found;
        name.remove_prefix(dot + 1);
    }
}

bool ends_with_path(std::string_view name, std::string_view path)
{
    if (!name.ends_with(path)) return false;
    return name.size() == path.size() || name[name.size() - path.size() - 1] == '.';
}

std::string count_of(const std::vector<std::string>& names, const char* what)
{
    std::string text = std::to_string(names.size()) + " " + what + " (";
    for (std::size_t i = 0; i < names.size() && i < 5; ++i)
        text += (i == 0 ? "" : ", ") + names[i];
    return text + (names.size() > 5 ? ", ...)" : ")");
}

std::string to_text(const Shape& shape)
{
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
    return text + "]";
}

} // namespace velamen::keymap
