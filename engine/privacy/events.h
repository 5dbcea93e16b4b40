// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a run did, as data. The meaning of an event never changes once it has been written.

#pragma once

#include <span>
#include <vector>

#include "engine/privacy/units.h"

namespace velamen::privacy {

/// One DP-SGD step: Gaussian noise on the clipped sum of a Poisson-sampled batch, with `noise` the
/// effective multiplier of everything released from that batch together.
struct SubsampledGaussian {
    SamplingRate rate;
    NoiseMultiplier noise;
    friend bool operator==(const SubsampledGaussian&, const SubsampledGaussian&) = default;
};

/// `steps` repetitions of one event.
struct Segment {
    SubsampledGaussian event;
    Steps steps;
};

/// The effective multiplier of a gradient (sigma_g) and a bounded scalar (sigma_s) of the same
/// batch released together: (sigma_g^-2 + sigma_s^-2)^(-1/2). Andrew et al., arXiv 1905.03871,
/// theorem 1.
NoiseMultiplier joint_noise(NoiseMultiplier gradient, NoiseMultiplier scalar);
/// The gradient multiplier that gives `effective` beside `scalar`; an error when effective >=
/// scalar.
Result<NoiseMultiplier> gradient_noise(NoiseMultiplier effective, NoiseMultiplier scalar);

} // namespace velamen::privacy
