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
#include <utility>
#include <vector>

#include "engine/privacy/accountant.h"
#include "engine/privacy/ledger.h"

namespace velamen::privacy {

/// `event` as the claim has to count it.
///
/// Relation: an add_remove event also holds under zero_out, because a unit that contributes nothing
/// and a unit that is not there give the same sums; a zero_out event used the number of units as
/// public and is Refused under add_remove.
///
/// Unit: image events enter the claim of a larger unit of at most k images by group privacy. From a
/// group of k units, each drawn at rate q and clipped to C, at least one is drawn with probability
/// 1 - (1-q)^k, and what is drawn sums to at most k C. By joint convexity of the hockey-stick
/// divergence the step is dominated by the subsampled Gaussian of that rate and of noise sigma / k,
/// in both directions (it bounds the mixture of Gaussians of Ganesh, arXiv 2401.10294, from
/// above). Any other difference of units is Refused.
Result<SubsampledGaussian> charge_of(const LedgerEntry& entry, const Claim& claim);

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
    Epsilon epsilon; ///< PLD
    RdpBound rdp;    ///< the second, independent bound
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
    struct Sum {
        double each; ///< divergence of one step
        std::int64_t steps;
    };
    RdpFilter(const Ceiling& ceiling, double budget) : ceiling_(ceiling), budget_(budget) {}
    double with(double each, std::int64_t steps) const;
    Ceiling ceiling_;
    double budget_;
    std::map<std::pair<double, double>, Sum> sums_; // by rate and noise
};

/// The order at which the most steps of `event` fit below (epsilon, delta): a good one to declare,
/// as long as `event` was not chosen by looking at results. Among 1.1 .. 1.9, 2 .. 64, 128, 256,
/// 512 and 1024; Refused when not one step fits at any.
Result<double> best_order(const SubsampledGaussian& event, Epsilon epsilon, Delta delta);

} // namespace velamen::privacy
