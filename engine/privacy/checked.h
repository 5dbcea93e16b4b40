// SPDX-License-Identifier: GPL-3.0-or-later
//
// Computed numbers back into quantities. Only for values that are valid by construction.

#pragma once

#include "engine/core/assert.h"
#include "engine/core/quantity.h"

namespace velamen::privacy {

/// A quantity from a computed value; an invalid one is an error of ours and ends the program.
template <class Q>
Q checked(auto value)
{
    const auto made = Q::create(value);
    VELAMEN_ASSERT(made.has_value());
    return *made;
}

} // namespace velamen::privacy
