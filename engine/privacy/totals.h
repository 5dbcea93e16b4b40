// SPDX-License-Identifier: GPL-3.0-or-later
//
// What all runs of a dataset have spent together, for one unit and one relation, and the filter
// that keeps them below a declared ceiling. Only events enter; where they are kept is the ledger's
// business. All functions are total; a filter belongs to one thread.

#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "engine/privacy/accountant.h"
#include "engine/privacy/ledger.h"

namespace velamen::privacy {

/// An event as a claim counts it: the step itself, and how many of its units change together.
struct Charge {
    SubsampledGaussian event;
    std::int64_t group = 1;
    friend bool operator==(const Charge&, const Charge&) = default;
};

/// Relation: an add_remove event also holds under zero_out, because a unit that contributes nothing
/// and a unit that is not there give the same sums; a zero_out event used the number of units as
/// public and is Refused under add_remove. Unit: image events enter the claim of a larger unit of
/// at most k images as groups of k; any other difference of units is Refused.
Result<Charge> charge_of(const LedgerEntry& entry, const Claim& claim);

/// What dominates one step for the whole group. At least one of k units, each drawn at rate q and
/// clipped to C, is drawn with probability 1 - (1-q)^k, and what is drawn sums to at most k C: by
/// joint convexity of the hockey-stick divergence this is bounded, in both directions, by the
/// subsampled Gaussian of that rate and of noise sigma / k (from above the mixture of Gaussians of
/// Ganesh, arXiv 2401.10294). The event itself for k = 1.
SubsampledGaussian dominating(const Charge& charge);

/// Renyi divergence of one step, of order alpha: of the dominating step, or, where that is smaller,
/// 3^c times the event's own of order 2^c alpha, with 2^c >= k and alpha >= 2 (Mironov, arXiv
/// 1702.07476, proposition 2). Infinity where it diverges.
double rdp_of(const Charge& charge, double alpha);

/// The events of one unit and relation, as they are in the ledger.
struct Share {
    std::string unit;
    Neighbours neighbours;
    std::int64_t lines = 0;
    std::int64_t steps = 0;
    std::int64_t runs = 0;
};
/// All of them, in the order of their first lines.
std::vector<Share> shares_of(std::span<const LedgerEntry> entries);

/// Everything reserved, as if all plans had been fixed before the first output was seen.
struct Total {
    std::int64_t steps;
    std::int64_t runs;
    /// PLD of the dominating steps. With groups the smaller of that and of group privacy of the
    /// composed image events, (eps, d) to (k eps, d (e^(k eps) - 1) / (e^eps - 1)), added to the
    /// other events at half of delta each.
    Epsilon epsilon;
    RdpBound rdp; ///< the second, independent bound
};
/// Refused when an event has no place in the claim (see charge_of), with its line; nothing is left
/// out. No events: zero.
Result<Total> total_of(std::span<const LedgerEntry> entries, const Claim& claim, Delta delta);

/// Keeps the sum of Renyi divergences of one fixed order below a budget, before each event: then
/// the whole has that budget although later events were chosen after earlier outputs (Feldman and
/// Zrnic, arXiv 2008.11193, sections 3 and 4, with one bound for all units). The
/// budget is the divergence that the ceiling's (epsilon, delta) allows (Canonne, Kamath, Steinke,
/// arXiv 2004.00010, proposition 12). What may be claimed is the ceiling; what is spent so far is
/// not a claim.
class RdpFilter {
public:
    /// InvalidArgument: an epsilon that is zero or infinite, an order outside (1, 1024], or one
    /// that leaves no budget, with the smallest order that does in the hint.
    static Result<RdpFilter> create(const Ceiling& ceiling);

    /// Counts what is reserved, even beyond the budget. Refused as charge_of().
    Result<> add(const LedgerEntry& entry);
    /// How many steps like those of `entry` fit (its own number of steps does not matter).
    Result<std::int64_t> room(const LedgerEntry& entry) const;

    double budget() const noexcept { return budget_; } ///< rounded down
    double spent() const;                              ///< rounded up
    /// spent() as epsilon at the ceiling's delta; 0 before the first event.
    Epsilon spent_epsilon() const;

private:
    using ChargeKey = std::tuple<double, double, std::int64_t>; // rate, noise, group
    struct Sum {
        double each; ///< divergence of one step
        std::int64_t steps;
    };
    RdpFilter(const Ceiling& ceiling, double budget) : ceiling_(ceiling), budget_(budget) {}
    static ChargeKey key_of(const Charge& charge);
    double with(double each, std::int64_t steps) const;
    Ceiling ceiling_;
    double budget_;
    std::map<ChargeKey, Sum> sums_;
};

/// The order at which the most steps of `charge` fit below (epsilon, delta): a good one to declare,
/// as long as the event was not chosen by looking at results. Among 1.1 .. 1.9, 2 .. 64, 128, 256,
/// 512 and 1024; Refused when not one step fits at any.
Result<double> best_order(const Charge& charge, Epsilon epsilon, Delta delta);

} // namespace velamen::privacy
