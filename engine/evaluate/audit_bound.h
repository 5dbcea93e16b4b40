// SPDX-License-Identifier: GPL-3.0-or-later
//
// What guesses about membership prove: a lower bound on epsilon from one run in which every canary
// was in or out by a fair coin (Steinke, Nasr, Jagielski, "Privacy Auditing with One (1) Training
// Run", arXiv 2305.08846, theorem 5.2). Numbers only; no tensor. Total and thread-safe.

#pragma once

#include <cstdint>

#include "engine/privacy/units.h"

namespace velamen::evaluate {

struct Guesses {
    std::int64_t canaries = 0; ///< m: all of them, guessed or not
    std::int64_t guessed = 0;  ///< r: fixed before the run; the others are abstained from
    std::int64_t correct = 0;  ///< v
};

/// The chance that a mechanism which is (epsilon, delta)-private lets an attacker guess so well.
/// Small: the claim is refuted. 1 for counts that contradict each other.
double chance_of(const Guesses& guesses, privacy::Epsilon epsilon, privacy::Delta delta);

/// The largest epsilon that these guesses refute at this significance (the chance of refuting a
/// true claim), to 1e-6; 0 when they refute nothing. significance in (0, 1), else 0.
double refuted_epsilon(const Guesses& guesses, privacy::Delta delta, double significance);

} // namespace velamen::evaluate
