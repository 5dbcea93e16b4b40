// SPDX-License-Identifier: GPL-3.0-or-later
//
// Text files that vocabularies are read from, whole and checked to be UTF-8.

#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

namespace velamen::text {

/// NotFound, Unreadable, or Corrupt when it is too large, packed, or not UTF-8.
Result<std::string> read_vocabulary_file(const std::filesystem::path& path);

/// Lines without their ends ("\n" or "\r\n"); an end of the last line makes no empty line after it.
std::vector<std::string_view> lines_of(std::string_view text);

/// Corrupt: "merges.txt: <cause>".
[[nodiscard]] tl::unexpected<Error> bad_vocabulary(const std::filesystem::path& path,
                                                   const std::string& cause);
[[nodiscard]] tl::unexpected<Error> bad_line(const std::filesystem::path& path, std::size_t number,
                                             const std::string& cause);

} // namespace velamen::text
