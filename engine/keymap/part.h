// SPDX-License-Identifier: GPL-3.0-or-later
//
// The tensors of one model inside a list of tensors, under names without the model's prefix.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/keymap/tensors.h"

namespace velamen::keymap {

/// Borrows the entries.
class Part {
public:
    explicit Part(std::span<const Entry> entries) : entries_(entries) {}

    /// False when the name is there already.
    bool add(std::string name, std::size_t source);

    std::span<const Entry> entries() const noexcept { return entries_; }
    const std::map<std::string, std::size_t, std::less<>>& names() const noexcept { return names_; }
    std::size_t size() const noexcept { return names_.size(); }
    bool empty() const noexcept { return names_.empty(); }

    /// Null pointer when absent.
    const Entry* find(std::string_view name) const;
    bool holds(std::string_view name) const { return find(name) != nullptr; }
    /// 0 when absent or of fewer dimensions.
    std::int64_t dim(std::string_view name, std::size_t axis) const;
    /// Whether a name begins with the segments of `path`, which ends with a dot.
    bool has_below(std::string_view path) const;
    /// How many of "<path>0.", "<path>1.", ... are there without a gap, at most 1024.
    std::int64_t count_below(std::string_view path) const;

private:
    std::span<const Entry> entries_;
    std::map<std::string, std::size_t, std::less<>> names_;
};

/// The first segment of `name`, the last one, all of them.
std::string_view first_segment(std::string_view name);
std::string_view last_segment(std::string_view name);
std::vector<std::string_view> segments(std::string_view name);
/// Whether the last segments of `name` are those of `path`.
bool ends_with_path(std::string_view name, std::string_view path);

/// "3 missing (a, b, c)": the first five names.
std::string count_of(const std::vector<std::string>& names, const char* what);
/// "[320,4,3,3]"
std::string to_text(const Shape& shape);

} // namespace velamen::keymap
