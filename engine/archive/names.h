// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which names an entry of a zip may have. Names that could leave the folder they are unpacked into,
// or that mean different files on different systems, are refused, never repaired.

#pragma once

#include <string_view>

namespace velamen::archive {

/// Null when `name` is a plain relative path with forward slashes; otherwise what is wrong with it,
/// as the end of a sentence that starts with "its name". A trailing slash (a folder) is allowed.
const char* fault_of_name(std::string_view name) noexcept;

} // namespace velamen::archive
