// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every kind of event whose privacy loss can be put on a grid, so that different kinds compose.
// The numbers here are derived from public parameters; checking those is done elsewhere. Internal
// to engine/privacy.

#pragma once

#include <variant>

#include "engine/privacy/pld/pmf.h"

namespace velamen::privacy {

/// A sampled Gaussian when a unit's contribution comes or goes.
struct SampledLoss {
    double rate, sigma;
    friend bool operator==(const SampledLoss&, const SampledLoss&) = default;
};

/// A sampled Gaussian when a unit is replaced by another one: (1-q) N(0, s^2) + q N(-1, s^2)
/// against (1-q) N(0, s^2) + q N(1, s^2), its own mirror image.
struct ReplaceLoss {
    double rate, sigma;
    friend bool operator==(const ReplaceLoss&, const ReplaceLoss&) = default;
};

/// A sampled Gaussian whose draw is capped. With probability `full` the other units alone fill the
/// draw; then the unit is drawn with `full_rate` and stands in for another one at most (arXiv
/// 2508.15089; that part as ReplaceLoss at sigma / 2).
struct CappedLoss {
    double rate, sigma, full, full_rate;
    friend bool operator==(const CappedLoss&, const CappedLoss&) = default;
};

/// Laplace noise without sampling; `bound` is sensitivity / scale, the largest loss.
struct LaplaceLoss {
    double bound;
    friend bool operator==(const LaplaceLoss&, const LaplaceLoss&) = default;
};

/// Anything of which (epsilon, delta) is all that is known: the pair that dominates every such
/// mechanism (Kairouz, Oh, Viswanath, arXiv 1311.0776).
struct GuaranteeLoss {
    double epsilon, delta;
    friend bool operator==(const GuaranteeLoss&, const GuaranteeLoss&) = default;
};

using LossEvent = std::variant<SampledLoss, ReplaceLoss, CappedLoss, LaplaceLoss, GuaranteeLoss>;

/// As loss_range and discretise of pmf.h, for every kind.
LossRange loss_range(const LossEvent& event, double log_mass);
LossPmfPair discretise(const LossEvent& event, double step, double log_mass);

} // namespace velamen::privacy
