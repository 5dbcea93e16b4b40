// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where an image's class and its privacy unit are found, as the user typed it and as a plan keeps
// it. Public: names of columns and levels, never a value of theirs.

#pragma once

#include <string>

namespace velamen::data {

/// Each key is one of
///   "folder"       class: the first folder below the root; unit: the next one below the class
///   "column:NAME"  a column of metadata.csv in the root (or beside a zip), rows by file_name
///   "pattern:RE"   the first group of a regular expression found in the file's path
///   "file"         units only: every image is a unit of its own
struct Keys {
    std::string label = "folder";
    std::string unit = "file";
    friend bool operator==(const Keys&, const Keys&) = default;
};

} // namespace velamen::data
