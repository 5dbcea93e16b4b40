// SPDX-License-Identifier: GPL-3.0-or-later
//
// The message of a number outside its range, in one place for every kind of number.

#include "engine/core/quantity.h"

#include <array>
#include <cstdio>
#include <string>

namespace velamen::detail {

Error out_of_range(const char* name, const char* range, double value)
{
    std::array<char, 40> digits{};
    std::snprintf(digits.data(), digits.size(), "%.6g", value);
    return {ErrorCode::InvalidArgument,
            std::string("The ") + name + " " + digits.data() + " is out of range.",
            std::string("Give a value that is ") + range + "."};
}

} // namespace velamen::detail
