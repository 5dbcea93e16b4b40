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
    if (name == name_of(Neighbours::ReplaceOne))
        return fail(ErrorCode::InvalidArgument,
                    "training is not accounted for the neighbouring relation 'replace_one'",
                    "use zero_out or add_remove");
    return fail(ErrorCode::InvalidArgument,
                "unknown neighbouring relation '" + std::string(name.substr(0, 40)) + "'",
                "use zero_out or add_remove");
}

Result<Neighbours> any_neighbours_of(std::string_view name)
{
    if (name == name_of(Neighbours::ReplaceOne)) return Neighbours::ReplaceOne;
    return neighbours_of(name);
}

} // namespace velamen::privacy
