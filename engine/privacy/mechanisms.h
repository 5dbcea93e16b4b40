// SPDX-License-Identifier: GPL-3.0-or-later
//
// Mechanisms beside the sampled Gaussian of DP-SGD, and what follows from a guarantee for groups
// and for repeated runs. Plain functions; nothing here is recorded in a ledger. All functions are
// total and thread-safe.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/privacy/accountant.h"

namespace velamen::privacy {

/// `steps` releases with Laplace noise, without sampling. `scale`: scale of the noise / what one
/// unit's coming or going changes the sum of absolute values by.
struct LaplaceSegment {
    NoiseMultiplier scale;
    Steps steps;
};

/// `steps` steps whose Poisson draw out of `units` units, a public number, is cut to `cap` random
/// ones when it is larger. Bounds that cover another unit taking the freed place, hence an upper
/// bound for zero-out ("Privacy amplification for truncated Poisson sampling", arXiv 2508.15089).
struct CappedSegment {
    SubsampledGaussian event;
    std::int64_t units; ///< at least 1
    std::int64_t cap;   ///< at least 1
    Steps steps;
};

/// `count` mechanisms of which only (epsilon, delta) is known, 0 <= delta <= 1.
struct GuaranteeSegment {
    Epsilon epsilon;
    double delta;
    Steps count;
};

/// Everything that is released about the same units.
struct Composition {
    std::vector<Segment> gaussian{};
    std::vector<LaplaceSegment> laplace{};
    std::vector<CappedSegment> capped{};
    std::vector<GuaranteeSegment> guarantees{};
};

/// As pld_epsilon(segments, delta): an upper bound, every rounding goes up. A guarantee counts for
/// the relation that is asked for. InvalidArgument: capped steps with another relation than
/// ZeroOut, a cap or number of units below 1, a delta outside of its range, and where not all is
/// Gaussian or sampled: Unsupported beyond 1e10 steps or 1 GB.
Result<Epsilon> pld_epsilon(const Composition& all, Delta delta,
                            Neighbours relation = Neighbours::ZeroOut);
Result<double> pld_delta(const Composition& all, Epsilon epsilon,
                         Neighbours relation = Neighbours::ZeroOut);

/// Renyi divergence of order alpha > 1 of one release with Laplace noise, exact (Mironov, arXiv
/// 1702.07476, proposition 6); infinity for orders that are none.
double laplace_rdp(NoiseMultiplier scale, double alpha);

/// How many runs are made before the best one is published, drawn before the first and independent
/// of the data: truncated negative binomial of this shape (1: geometric, 0: logarithmic), infinite
/// shape: Poisson.
struct Repeats {
    double mean;        ///< at least 1
    double shape = 1.0; ///< at least 0
};
/// Upper bound on epsilon of publishing the best of the runs, each of which is `run` (Papernot and
/// Steinke, arXiv 2110.03620, theorems 2 and 6). Renyi only. InvalidArgument: repeats out of range.
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
