// SPDX-License-Identifier: GPL-3.0-or-later
//
// What all runs of a dataset have spent together, for one unit and one relation, and the filter
// that keeps them below a declared ceiling. Only events enter; where they are kept is the ledger's
// business. All functions are total; a filter belongs to one thread.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/privacy/composition.h"
#include "engine/privacy/ledger.h"

namespace velamen::privacy {

/// An event as a claim counts it: the event itself, and how many of its units change together.
struct Charge {
    Event event;
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
SubsampledGaussian dominating(const SubsampledGaussian& event, std::int64_t group);
/// The same for every kind of event. On the grid of the discrete Gaussian a divergence of integer
/// order is a moment, convex in each of the two distributions, and the sums of k grid vectors have
/// norm k C at most: as above. Laplace noise: scale / k. A guarantee: (k eps, d (e^(k eps) - 1) /
/// (e^eps - 1)). The best of runs: that of the dominating runs. Charges of capped draws are Refused
/// for groups by charge_of().
Event dominating(const Charge& charge);

/// Renyi divergence of one event, of order alpha: of the dominating one, or, where that is smaller,
/// 3^c times a Gaussian step's own of order 2^c alpha, with 2^c >= k and alpha >= 2 (Mironov, arXiv
/// 1702.07476, proposition 2). Infinity where it diverges.
RenyiPart renyi_of(const Charge& charge, double alpha);

/// The events of one unit and relation, as they are in the ledger.
struct Share {
    std::string unit;
    Neighbours neighbours;
    std::int64_t lines = 0;
    std::int64_t steps = 0;    ///< of training
    std::int64_t releases = 0; ///< beside it
    std::int64_t runs = 0;
};
/// All of them, in the order of their first lines.
std::vector<Share> shares_of(std::span<const LedgerEntry> entries);

/// Everything reserved, as if all plans had been fixed before the first output was seen.
struct Total {
    std::int64_t steps;    ///< of training
    std::int64_t releases; ///< beside it
    std::int64_t runs;
    /// PLD of the dominating events, or the Renyi bound where one has no other (is_renyi_only).
    /// With groups the smaller of that and of group privacy of the composed image events, (eps, d)
    /// to (k eps, d (e^(k eps) - 1) / (e^eps - 1)), added to the other events at half of delta
    /// each.
    Epsilon epsilon;
    RdpBound rdp; ///< the second, independent bound
    bool is_renyi_only = false;
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
    /// How many events like that of `entry` fit (its own number of steps does not matter). Events
    /// that may fail altogether, like a guarantee with a delta, are given a millionth of the
    /// ceiling's delta.
    Result<std::int64_t> room(const LedgerEntry& entry) const;

    /// More was counted than the ceiling allows.
    bool is_passed() const;
    double budget() const noexcept { return budget_; } ///< rounded down
    double spent() const;                              ///< rounded up
    /// spent() as epsilon at the ceiling's delta; 0 before the first event.
    Epsilon spent_epsilon() const;

private:
    struct Sum {
        Charge charge;
        RenyiPart each;
        std::int64_t times;
    };
    RdpFilter(const Ceiling& ceiling, double budget) : ceiling_(ceiling), budget_(budget) {}
    const Sum* find(const Charge& charge) const;
    double with(double each, std::int64_t times) const;
    double failure_with(double each, std::int64_t times) const;
    Ceiling ceiling_;
    double budget_;
    std::vector<Sum> sums_;
};

/// The order at which the most events of `charge` fit below (epsilon, delta): a good one to
/// declare, as long as the event was not chosen by looking at results. Among 1.1 .. 1.9, 2 .. 64,
/// 128, 256, 512 and 1024; Refused when not one step fits at any.
Result<double> best_order(const Charge& charge, Epsilon epsilon, Delta delta);

} // namespace velamen::privacy
