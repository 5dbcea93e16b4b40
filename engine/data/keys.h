// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where an image's class and its privacy unit are found, as the user typed it and as a plan keeps
// it. Public: names of columns and levels, never a value of theirs.

#pragma once

#include <string>

#include "engine/core/result.h"

namespace velamen::data {

/// Each key is one of
///   "folder"       class: the first folder below the root; unit: the next one below the class,
///                  which is the first one where classes are not told by folders
///   "column:NAME"  a column of metadata.csv in the root (or beside a zip), rows by file_name
///   "pattern:RE"   the first group of a regular expression found in the file's path
///   "file"         units only: every image is a unit of its own
/// Equal values are one unit wherever they stand, in two folders of classes too.
struct Keys {
    std::string label = "folder";
    std::string unit = "file";
    friend bool operator==(const Keys&, const Keys&) = default;
};

enum class KeyKind { File, Folder, Column, Pattern };

/// A key taken apart.
struct Key {
    KeyKind kind = KeyKind::Folder;
    std::string text; ///< name of the column, or the regular expression
};

/// InvalidArgument naming the key and what it may be.
Result<Key> label_key_of(const std::string& text);
Result<Key> unit_key_of(const std::string& text);
/// Both.
Result<> check_keys(const Keys& keys);

/// What the unit key tells apart, as far as it says: "image" for "file", "patient" for
/// "column:Patient_ID". Empty where only the user knows.
std::string unit_name_of(const Keys& keys);

} // namespace velamen::data
