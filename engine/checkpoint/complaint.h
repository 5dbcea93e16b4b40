// SPDX-License-Identifier: GPL-3.0-or-later
//
// How tensors that do not fit are named in a message. Text only.

#pragma once

#include <string>
#include <vector>

#include "engine/core/dtype.h"

namespace velamen::checkpoint {

/// Appends "3 missing (a, b, c)"; the first five names, nothing when there is none.
void add_complaint(std::string& text, const std::vector<std::string>& names, const char* what);

/// "[320,4,3,3]"
std::string to_text(const Shape& shape);

} // namespace velamen::checkpoint
