// SPDX-License-Identifier: GPL-3.0-or-later
//
// What events of any kind cost together. Training alone is answered by accountant.h, which this
// agrees with. All functions are total and thread-safe.

#pragma once

#include <span>
#include <vector>

#include "engine/privacy/accountant.h"

namespace velamen::privacy {

/// The rules that the types of an event leave open. InvalidArgument: units or cap below 1, a capped
/// draw for another relation than ZeroOut, a discrete Gaussian for ReplaceOne, a delta outside of
/// [0, 1], repeats out of range.
Result<> check_event(const Event& event, Neighbours relation = Neighbours::ZeroOut);

/// Its privacy loss distribution is not known, only Renyi divergences: a total with such an event
/// is one of Renyi accounting.
bool is_renyi_only(const Event& event);

/// As pld_epsilon(segments, delta): an upper bound, every rounding goes up. A guarantee counts for
/// the relation that is asked for. Errors: as check_event(); Refused where an event is Renyi only;
/// where not all are Gaussian steps, Unsupported beyond 1e10 steps or 1 GB.
Result<Epsilon> composed_epsilon(std::span<const Spending> all, Delta delta,
                                 Neighbours relation = Neighbours::ZeroOut);
Result<double> composed_delta(std::span<const Spending> all, Epsilon epsilon,
                              Neighbours relation = Neighbours::ZeroOut);

/// The divergence of one event but for an outcome of probability `failure`, which is added to
/// delta.
struct RenyiPart {
    double divergence; ///< infinity where it diverges
    double failure = 0.0;
};
/// Of order alpha > 1, an upper bound. Capped draws: from the pmf of
/// the privacy loss, which dominates. Infinity where check_event() fails.
///
/// The discrete Gaussian on the grid of grid.h: at an integer order the divergence is a binomial
/// sum of moments of order i of two noises that lie one contribution k apart (Mironov, Talwar,
/// Zhang, arXiv 1908.10530, section 3.3). On the grid k and i k are integer vectors, the sum over
/// the grid of exp(-|x - i k|^2 / (2 s^2)) depends on neither, and so each moment equals that of
/// the continuous Gaussian. The worse direction is the same as there (theorem 5), since x -> k - x
/// keeps the grid. Scalars released jointly on the grid have these moments too: effective
/// multipliers hold as in events.h, with the sigma of GridNoise::draw as that of the whole. Orders
/// between integers count as the next integer, since a divergence never falls with its order.
RenyiPart renyi_of(const Event& event, double alpha, Neighbours relation = Neighbours::ZeroOut);

/// The Renyi bound of all kinds of events together, conversion as in accountant.h at what the
/// failures leave of delta. Errors: as check_event().
Result<RdpBound> composed_rdp(std::span<const Spending> all, Delta delta,
                              Neighbours relation = Neighbours::ZeroOut);

/// What is shown and enforced, and the second bound beside it.
struct Bound {
    Epsilon epsilon; ///< by privacy loss distribution; the Renyi bound where an event has no other
    RdpBound rdp;
    bool is_renyi_only;
};
Result<Bound> bound_of(std::span<const Spending> all, Delta delta,
                       Neighbours relation = Neighbours::ZeroOut);

/// The most true positives of any membership attack with this rate of false positives, an upper
/// bound: from the privacy loss distribution of one kind of Gaussian step, else from the Renyi
/// divergences, which no test of the outputs can exceed. InvalidArgument: a rate outside [0, 1];
/// errors as check_event().
Result<double> attacker_rate(std::span<const Spending> all, double false_positive_rate);

/// The smallest effective noise (to 1e-4 relative) of `steps` steps that keeps the whole, with what
/// else is released, within `target`: calibrate_noise() where there is nothing else. Hardened steps
/// when `is_hardened`. Refused with the nearest reachable value; errors as bound_of().
Result<NoiseMultiplier> calibrate_beside(std::span<const Spending> others, Epsilon target,
                                         Delta delta, SamplingRate rate, Steps steps,
                                         bool is_hardened);

/// The same as if the draws were not secret: a unit takes part about q T times, rounded up, without
/// sampling. A footnote for comparison, never the claim.
std::vector<Spending> without_sampling(std::span<const Spending> all);

/// The steps as spendings.
std::vector<Spending> spendings_of(std::span<const Segment> segments);

} // namespace velamen::privacy
