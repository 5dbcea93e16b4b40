// SPDX-License-Identifier: GPL-3.0-or-later
//
// Questions to a plan, answered on a grid that is fine enough. Internal to engine/privacy.

#pragma once

#include <optional>

#include "engine/privacy/accountant.h"
#include "engine/privacy/pld/plan.h"

namespace velamen::privacy {

// Upper bounds; nothing where the plan is out of reach: more than 1e10 steps, or a grid that needs
// more than 1 GB. Thread-safe.
Result<std::optional<double>> epsilon_of(const Plan& plan, Delta delta);
Result<std::optional<double>> delta_of(const Plan& plan, Epsilon epsilon);
/// Near epsilon_of() on a coarse grid, in a tenth of the time; no bound, for searches alone.
/// Infinity where it has none.
Result<double> guess_epsilon(const Plan& plan, Delta delta);
/// Requires 0 <= false_positive_rate <= 1.
Result<std::optional<double>> power_of(const Plan& plan, double false_positive_rate);

} // namespace velamen::privacy
