// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading back the names that ledgers, plans and certificates use.

#include "engine/privacy/units.h"

#include <string>

namespace velamen::privacy {

Result<Neighbours> neighbours_of(std::string_view name)
{
    for (const auto relation : {Neighbours::ZeroOut, Neighbours::AddRemove})
        if (name == name_of(relation)) return relation;
    return fail(ErrorCode::InvalidArgument,
                "unknown neighbouring relation '" + std::string(name.substr(0, 40)) + "'",
                "use zero_out or add_remove");
}

} // namespace velamen::privacy
