// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a training run has spent. Engine code reports what it did as events; an accountant turns
// events into (epsilon, delta). It never sees a tensor. All functions are total and thread-safe.

#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "engine/privacy/events.h"

namespace velamen::privacy {

/// An upper bound on epsilon of the composed segments at `delta`; every rounding goes up. Infinity
/// where that is the truth. Connect-the-dots PLD, both directions composed, the worse one
/// (Doroshenko et al., arXiv 2207.04380, algorithm 1). Steps without sampling enter as one exact
/// Gaussian. The grid is 1e-4 wide and halved until that changes epsilon by less than 0.1 %. Plans
/// of more than 1e10 steps, or whose grid would need more than 1 GB, get the Renyi bound instead.
/// ReplaceOne has its own dominating pair, both sides mixed. InvalidArgument: delta < 1e-12.
Result<Epsilon> pld_epsilon(std::span<const Segment> segments, Delta delta,
                            Neighbours relation = Neighbours::ZeroOut);
/// delta(epsilon) of the same distribution.
Result<double> pld_delta(std::span<const Segment> segments, Epsilon epsilon,
                         Neighbours relation = Neighbours::ZeroOut);

/// An independent upper bound by Renyi accounting (Mironov, Talwar, Zhang, arXiv 1908.10530,
/// section 3.3; conversion of Canonne, Kamath, Steinke, arXiv 2004.00010, proposition 12). For
/// ReplaceOne a unit leaves and another one comes: weak triangle inequality (Mironov, arXiv
/// 1702.07476, proposition 11), hence loose.
struct RdpBound {
    Epsilon epsilon;
    double order;      ///< the order that gave it
    bool at_end_order; ///< the grid of orders may be too short: a tighter bound may exist
};
RdpBound rdp_epsilon(std::span<const Segment> segments, Delta delta,
                     Neighbours relation = Neighbours::ZeroOut);
/// An upper bound on the Renyi divergence of order alpha > 1 of `steps` events, exact but for
/// ReplaceOne; infinity where it diverges and for orders that are none.
double rdp_of(const SubsampledGaussian& event, Steps steps, double alpha,
              Neighbours relation = Neighbours::ZeroOut);

/// delta(epsilon) and epsilon(delta) of one Gaussian release without sampling, exact (Balle and
/// Wang 2018, theorem 8). sigma is the multiplier at sensitivity 1.
double gaussian_delta(double epsilon, NoiseMultiplier sigma);
Epsilon gaussian_epsilon(Delta delta, NoiseMultiplier sigma);

/// PLD of one (rate, noise) kept on its grids, with the low frequencies of its tilted spectra:
/// epsilon after any number of steps is a short sum over them, microseconds after the first
/// question to similar steps. Answers are those of pld_epsilon, whatever was asked before. For
/// curves in the window and for calibration.
class PldCurve {
public:
    static Result<PldCurve> create(const SubsampledGaussian& event,
                                   Neighbours relation = Neighbours::ZeroOut);
    ~PldCurve();
    PldCurve(PldCurve&&) noexcept;
    PldCurve& operator=(PldCurve&&) noexcept;

    Result<Epsilon> epsilon_after(Steps steps, Delta delta) const;
    /// Largest true-positive rate of any membership attack at this false-positive rate.
    Result<double> true_positive_rate(Steps steps, double false_positive_rate) const;

private:
    struct State;
    explicit PldCurve(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::privacy
