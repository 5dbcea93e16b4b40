// SPDX-License-Identifier: GPL-3.0-or-later
//
// Epsilon and delta in words, generated from the numbers. Every rounding goes towards less privacy.

#pragma once

#include <cstdint>
#include <string>

#include "engine/privacy/units.h"

namespace velamen::privacy {

/// The most that a suspicion `prior` in [0, 1] can rise to: p e^eps / (1 + p (e^eps - 1)).
double posterior(double prior, Epsilon epsilon);
/// "7 %", "99.56 %": rounded up.
std::string posterior_text(double prior, Epsilon epsilon);
/// "A 1-in-100 suspicion that an image is in the folder can rise to at most about 7 in 100."
std::string odds_sentence(Epsilon epsilon, const std::string& unit_name = "image");
/// "The sentence above may fail with a chance of about 1 in 100 000."
std::string delta_sentence(Delta delta);
/// "very strong", "strong", "moderate", "weak", "very weak worst case" (EXPERIENCE, U3).
std::string strength_label(Epsilon epsilon);
/// "10.00", "0.16": two decimals, rounded up; "unbounded" for infinity.
std::string epsilon_text(Epsilon epsilon);
/// "1 in 100 000".
std::string one_in(double probability);
/// min(1e-6, 1/(10 N)) rounded down to a power of ten. N >= 1.
Delta default_delta(std::int64_t public_units);

} // namespace velamen::privacy
