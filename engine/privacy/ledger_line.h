// SPDX-License-Identifier: GPL-3.0-or-later
//
// One ledger line as text and back, with every rule that a line must keep. No files here.

#pragma once

#include <string>
#include <string_view>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/privacy/ledger.h"

namespace velamen::privacy {

inline constexpr std::int64_t kMaxStepsPerLine = 32;

/// The line without its newline: compact JSON in the order of LedgerEntry's comment.
std::string line_of(const LedgerEntry& entry);
/// Only what line_of() can have written; the chain (seq, prev) is not checked here.
Result<LedgerEntry> entry_of(std::string_view line);
/// The same by the JSON reader alone: what the fast scanner must agree with.
Result<LedgerEntry> entry_of_json(std::string_view line);
/// The rules of a line's content. InvalidArgument naming the field.
Result<> check_entry(const LedgerEntry& entry);
/// An event within a line; Unsupported for a type that is not known.
io::Json json_of(const LedgerEvent& event);
Result<LedgerEvent> ledger_event_of(const io::Json& json);
/// 64 zeros: the hash before the first line.
std::string no_hash();

} // namespace velamen::privacy
