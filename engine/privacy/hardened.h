// SPDX-License-Identifier: GPL-3.0-or-later
//
// Epsilon of runs whose noise is the discrete Gaussian on an integer grid. In this mode it is the
// epsilon that is enforced; the privacy loss distribution of accountant.h does not describe it.

#pragma once

#include <span>

#include "engine/privacy/accountant.h"

namespace velamen::privacy {

/// An upper bound on epsilon of the composed segments at `delta`, by Renyi orders 2, 3, 4, ...
/// only. At an integer order the divergence is a binomial sum of moments of order i of two noises
/// that lie one contribution k apart (Mironov, Talwar, Zhang, arXiv 1908.10530, section 3.3). On
/// the grid of grid.h, k and i k are integer vectors, the sum over the grid of exp(-|x - i k|^2 /
/// (2 s^2)) depends on neither, and so each moment equals that of the continuous Gaussian. The
/// worse direction is the same as there (theorem 5), since x -> k - x keeps the grid. A loss
/// released jointly with continuous noise has these moments too: effective multipliers hold as in
/// events.h, with the sigma of GridNoise::draw as the gradient's. Conversion: Canonne, Kamath,
/// Steinke, arXiv 2004.00010, proposition 12. Every rounding goes up; infinity where that is the
/// truth. Total and thread-safe.
RdpBound hardened_epsilon(std::span<const Segment> segments, Delta delta);

/// As calibrate_noise() for this mode: the smallest effective noise (to 1e-4 relative) whose bound
/// after `steps` is at most `target`; Refused with the nearest reachable value.
Result<NoiseMultiplier> calibrate_hardened_noise(Epsilon target, Delta delta, SamplingRate rate,
                                                 Steps steps);

} // namespace velamen::privacy
