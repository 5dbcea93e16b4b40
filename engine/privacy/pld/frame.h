// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where the tilted sum of many steps lies. Nothing is transformed here. Internal to engine/privacy.

#pragma once

#include <cstdint>
#include <span>

#include "engine/privacy/pld/spectrum.h"

namespace velamen::privacy {

/// `steps` repetitions of what is kept in `spectra`.
struct Part {
    LossSpectra* spectra;
    std::int64_t steps;
};

/// The tilted sum of all parts, in cells relative to the sum of their centres. The mass of cell k
/// is the tilted one times e^(log_scale - theta k).
struct Frame {
    int tilt = 0;
    double step = 0.0;  ///< of the grid
    double theta = 0.0; ///< the tilt per cell
    double steps = 0.0; ///< of all parts
    double log_scale = 0.0;
    std::int64_t base = 0;  ///< the sum of the centres
    std::int64_t lower = 0; ///< what lies below wraps to the top, which can only raise delta
    std::int64_t upper = 0; ///< what lies above is part of `above`
    std::int64_t cells = 0; ///< from lower to upper; the others are not valid when above 1e15
    double above = 0.0;     ///< bound on the (untilted) mass above the upper end
    double infinite = 0.0;  ///< bound on the mass of infinite loss, `above` included
    /// Relative bound on the error of all masses: spectra lose a few ulp per step, cells of a pmf
    /// are right to 1e-13.
    double rounding = 0.0;
    /// Bound on what a transform spreads over all cells, relative to the bulk of the tilted sum.
    double noise = 0.0;

    double loss(std::int64_t k) const { return static_cast<double>(base + k) * step; }
};

Frame frame_of(std::span<const Part> parts, int tilt);

} // namespace velamen::privacy
