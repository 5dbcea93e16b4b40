// SPDX-License-Identifier: GPL-3.0-or-later
//
// The privacy loss of many independent steps from the losses of single ones, and questions to it.
// One direction of the neighbouring relation; choosing grids is not done here. Internal to
// engine/privacy.

#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/privacy/pld/pmf.h"
#include "engine/privacy/pld/spectrum.h"

namespace velamen::privacy {

/// `steps` repetitions; all terms of a composition have the same grid step. Borrowed.
struct Term {
    const LossPmf* pmf;
    std::int64_t steps;
    LossSpectra* kept = nullptr; ///< of this pmf; null: nothing is kept. Answers are the same.
};

/// An upper bound, or the number of cells that the window would need when that is too large.
struct Answer {
    double value = 0.0;
    std::int64_t cells_needed = 0; ///< 0: `value` is valid
    /// The answer that coarsen() of every term has, where that cost nothing.
    std::optional<double> coarse;
};

/// Smallest epsilon >= `least` with delta(epsilon) <= delta; infinity when the infinite mass
/// exceeds delta.
Answer composed_epsilon(std::span<const Term> terms, double delta, std::int64_t max_cells,
                        double least = 0.0);
/// delta(epsilon), at most 1.
Answer composed_delta(std::span<const Term> terms, double epsilon, std::int64_t max_cells);
/// Largest true-positive rate at a false-positive rate (Neyman and Pearson on the discrete pair).
Answer composed_power(std::span<const Term> terms, double false_positive_rate,
                      std::int64_t max_cells);

} // namespace velamen::privacy
