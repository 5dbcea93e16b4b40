// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names that diffusers itself gave up.

#pragma once

#include <string>
#include <string_view>

namespace velamen::keymap {

/// The attention blocks of old diffusers files ("...attentions.0.query.weight", "key", "value",
/// "proj_attn") under the names of today ("...attentions.0.to_q.weight", ..., "to_out.0"); any
/// other name as it is. The bytes are the same.
std::string modern_name(std::string_view name);

} // namespace velamen::keymap
