// SPDX-License-Identifier: GPL-3.0-or-later
//
// Words about the privacy unit: every page says "patients" when patients are protected.

#pragma once

#include <string>

#include <QString>

namespace velamen::ui {

inline constexpr const char* kImageUnit = "image";
inline constexpr const char* kPatientUnit = "patient";
/// data::Keys::unit when every image is a unit of its own.
inline constexpr const char* kFileKey = "file";

/// "patients", "studies"; words of the user's own are treated as English ones.
QString unitPlural(const std::string& unit);
/// "1 patient", "3,457 images".
QString unitCount(qint64 count, const std::string& unit);
/// "each image", "the folder inside the class", "column “patient”", "part of the file name".
QString unitKeyText(const std::string& key);
/// Like unitKeyText() for a class key.
QString labelKeyText(const std::string& key);

} // namespace velamen::ui
