// SPDX-License-Identifier: GPL-3.0-or-later
//
// The cumulant function of a privacy loss from above, cheaply, and the grid of tilts that it is
// asked at. Nothing here knows about composition. Internal to engine/privacy.

#pragma once

#include <limits>
#include <vector>

#include "engine/privacy/pld/pmf.h"

namespace velamen::privacy {

/// Tilts lie on a grid, so that what was computed for one can be kept: tilt 0 is none, tilt n > 0
/// is 2^((n - 1) / 8 - 40) per unit of loss, tilt -n its negative.
inline constexpr int kTiltsPerOctave = 8;
inline constexpr int kMostTilt = 90 * kTiltsPerOctave;
double lambda_of(int tilt);
/// The largest tilt whose lambda is at most `lambda`, from 0 to kMostTilt.
int tilt_below(double lambda);

inline constexpr double kMaxExponent = 600.0; ///< e^600 and sums of such are doubles

/// log E[e^(lambda loss)] and its derivative.
struct Cumulant {
    double value = 0.0, slope = 0.0;
};

/// A few hundred atoms whose moment generating function lies above that of the pmf's finite losses
/// for every real lambda: each mass is split between the atoms around it so that its mean stays,
/// and a chord of e^(lambda l), which is convex, lies above it.
class LossSketch {
public:
    explicit LossSketch(const LossPmf& pmf);

    /// An upper bound; infinity where e^(lambda loss) is no double.
    Cumulant at(double lambda) const;
    double variance() const;
    /// Largest absolute loss.
    double reach() const { return reach_; }

private:
    std::vector<double> loss_, mass_;
    double reach_ = 0.0;
};

} // namespace velamen::privacy
