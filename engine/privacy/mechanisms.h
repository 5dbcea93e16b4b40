// SPDX-License-Identifier: GPL-3.0-or-later
//
// Formulas for mechanisms beside the sampled Gaussian of DP-SGD, and what follows from a guarantee
// for groups and for repeated runs. How they compose is in composition.h. All functions are total
// and thread-safe.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/privacy/accountant.h"

namespace velamen::privacy {

/// Renyi divergence of order alpha > 1 of one release with Laplace noise, exact (Mironov, arXiv
/// 1702.07476, proposition 6); infinity for orders that are none.
double laplace_rdp(NoiseMultiplier scale, double alpha);

/// InvalidArgument: repeats out of range.
Result<> check_repeats(const Repeats& repeats);
/// Renyi divergence of order alpha of publishing the best of the runs, an upper bound; infinity for
/// orders that are none (Papernot and Steinke, arXiv 2110.03620, theorems 2 and 6).
double best_of_runs_rdp(const BestOfRuns& event, double alpha,
                        Neighbours relation = Neighbours::ZeroOut);
/// Upper bound on epsilon of publishing the best of runs that consist of several kinds of steps.
/// Renyi only. InvalidArgument: repeats out of range.
Result<RdpBound> best_of_runs_epsilon(std::span<const Segment> run, const Repeats& repeats,
                                      Delta delta, Neighbours relation = Neighbours::ZeroOut);

/// delta for `units` units together, each protected with (epsilon, delta); their epsilon is units *
/// epsilon: delta (e^(k epsilon) - 1) / (e^epsilon - 1), at most 1 (Vadhan, "The complexity of
/// differential privacy", lemma 2.2). 1 where the input is not valid.
double group_delta(Epsilon epsilon, double delta, std::int64_t units);
/// Epsilon at `delta` for any `units` units together, at least 1: the smallest over the guarantees
/// of single units. Infinity where no delta from 1e-12 up is small enough for one of them.
Result<Epsilon> group_epsilon(std::span<const Segment> segments, Delta delta, std::int64_t units,
                              Neighbours relation = Neighbours::ZeroOut);

} // namespace velamen::privacy
