// SPDX-License-Identifier: GPL-3.0-or-later
//
// The privacy loss of one step on a grid, always from above. Nothing is composed here. Internal to
// engine/privacy.

#pragma once

#include <cstdint>
#include <vector>

namespace velamen::privacy {

/// P[loss = (lowest + k) step] = mass[k], P[loss = infinity] = infinite.
struct LossPmf {
    double step = 0.0;
    std::int64_t lowest = 0;
    std::vector<double> mass;
    double infinite = 0.0;
};

/// The dominating pairs of the two neighbouring directions at sensitivity 1: (1-q) N(0, s^2) +
/// q N(-1, s^2) against N(0, s^2) when a unit is removed, and the other way round when one is
/// added.
struct LossPmfPair {
    LossPmf remove;
    LossPmf add;
    bool is_symmetric = false; ///< both are the same
};

/// Where the loss of "remove" lies, but for exp(log_mass) of its probability; "add" is the mirror.
struct LossRange {
    double low;
    double high;
};
LossRange loss_range(double rate, double sigma, double log_mass);

/// e^step has to stay far inside of the doubles.
inline constexpr double kMostStep = 64.0;

/// Connect-the-dots on multiples of `step` (Doroshenko et al., arXiv 2207.04380, algorithm 1): the
/// distribution whose delta(epsilon) meets the true one at every grid point and lies above between.
/// Requires 0 < rate <= 1, step <= kMostStep and that the range fits into memory.
LossPmfPair discretise(double rate, double sigma, double step, double log_mass);

/// The same for the replacement of one unit: (1-q) N(0, s^2) + q N(-1, s^2) against (1-q) N(0, s^2)
/// + q N(1, s^2), its own mirror image.
LossRange replace_loss_range(double rate, double sigma, double log_mass);
LossPmfPair discretise_replace(double rate, double sigma, double step, double log_mass);

/// The same construction on every second grid point, from the finer grid without any loss.
LossPmf coarsen(const LossPmf& fine);

} // namespace velamen::privacy
