// SPDX-License-Identifier: GPL-3.0-or-later
//
// The fast way to read a ledger line: a ledger of 100 000 lines is read whenever it is opened.
// Internal to engine/privacy.

#pragma once

#include <optional>
#include <string_view>

#include "engine/privacy/ledger.h"

namespace velamen::privacy {

/// A line in exactly the form that line_of() writes, read without a JSON document in between.
/// Nothing when it differs in a byte of that form; what the JSON reader says holds then. What is
/// read is what the JSON reader would read; no rule of a line is checked here.
std::optional<LedgerEntry> scan_line(std::string_view line);

} // namespace velamen::privacy
