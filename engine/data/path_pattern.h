// SPDX-License-Identifier: GPL-3.0-or-later
//
// A regular expression (Perl's, by PCRE2) that takes a value out of a file's path. Its work on one
// path is limited, so that no expression and no path can hang a scan.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/result.h"

namespace velamen::data {

/// One thread.
class PathPattern {
public:
    /// InvalidArgument, with the place, when it is no regular expression or has no group.
    static Result<PathPattern> create(const std::string& expression);
    ~PathPattern();
    PathPattern(PathPattern&&) noexcept;
    PathPattern& operator=(PathPattern&&) noexcept;

    /// The first group of the first match; nothing when nothing matches or the group takes no part
    /// in the match. InvalidArgument, without the path, when the expression needs too many steps.
    Result<std::optional<std::string>> find(std::string_view path) const;

private:
    struct State;
    explicit PathPattern(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::data
