// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading and writing config.json as far as all models do it alike.

#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::keymap {

io::Json::Array json_array(const auto& values) { return {values.begin(), values.end()}; }

/// `{a, b, ...}` for {true, false, ...}.
std::vector<std::string> names_by_flag(const std::vector<bool>& flags, const char* if_true,
                                       const char* if_false);
/// The other way; Unsupported for other names.
Result<std::vector<bool>> flags_by_name(const io::Json& config, const char* key,
                                        const char* if_true, const char* if_false);

/// Members in the order of their keys, as diffusers writes them.
io::Json sorted_by_key(const io::Json& object);

struct FixedField {
    const char* key;
    std::vector<io::Json> accepted; ///< besides absent
};

/// Unsupported, naming the first field whose value CompVis's code cannot hold.
Result<> refuse_others(const io::Json& config, std::span<const FixedField> fields,
                       const std::string& what);

/// Positive and at most 2^20.
Result<std::int64_t> size_field(const io::Json& config, const char* key, std::int64_t absent);
/// 1 to 16 such numbers.
Result<std::vector<std::int64_t>> widths_field(const io::Json& config, const char* key);

} // namespace velamen::keymap
