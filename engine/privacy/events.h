// SPDX-License-Identifier: GPL-3.0-or-later
//
// What was released about the private units, as data: the one language in which plans, ledgers and
// accountants speak. The meaning of an event never changes once it has been written.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "engine/privacy/units.h"

namespace velamen::privacy {

/// One DP-SGD step: Gaussian noise on the clipped sum of a Poisson-sampled batch, with `noise` the
/// effective multiplier of everything released from that batch together. Without sampling (rate 1)
/// it is one Gaussian release.
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

/// The same step with the discrete Gaussian on an integer grid (grid.h). Known by its Renyi
/// divergence of integer orders only (composition.h).
struct SubsampledDiscreteGaussian {
    SubsampledGaussian step;
    friend bool operator==(const SubsampledDiscreteGaussian&,
                           const SubsampledDiscreteGaussian&) = default;
};

/// The same step whose Poisson draw out of `units` units, a public number, is cut to `cap` random
/// ones when it is larger. For ZeroOut only ("Privacy amplification for truncated Poisson
/// sampling", arXiv 2508.15089: bounds that cover another unit taking the freed place).
struct CappedGaussian {
    SubsampledGaussian step;
    std::int64_t units; ///< at least 1
    std::int64_t cap;   ///< at least 1
    friend bool operator==(const CappedGaussian&, const CappedGaussian&) = default;
};

/// One release with Laplace noise, without sampling. `scale`: scale of the noise / what one unit's
/// coming or going changes the sum of absolute values by.
struct LaplaceNoise {
    NoiseMultiplier scale;
    friend bool operator==(const LaplaceNoise&, const LaplaceNoise&) = default;
};

/// One mechanism of which only (epsilon, delta) is known, 0 <= delta <= 1.
struct Guarantee {
    Epsilon epsilon;
    double delta;
    friend bool operator==(const Guarantee&, const Guarantee&) = default;
};

/// How many runs are made before the best one is published, drawn before the first and independent
/// of the data: truncated negative binomial of this shape (1: geometric, 0: logarithmic), infinite
/// shape: Poisson.
struct Repeats {
    double mean;        ///< at least 1, finite
    double shape = 1.0; ///< at least 0
    friend bool operator==(const Repeats&, const Repeats&) = default;
};

/// The best of a random number of runs of `steps` steps each, of which nothing else is looked at
/// (Papernot and Steinke, arXiv 2110.03620). Renyi only.
struct BestOfRuns {
    SubsampledGaussian step;
    Steps steps;
    Repeats repeats;
    friend bool operator==(const BestOfRuns&, const BestOfRuns&) = default;
};

using Event = std::variant<SubsampledGaussian, SubsampledDiscreteGaussian, CappedGaussian,
                           LaplaceNoise, Guarantee, BestOfRuns>;

/// `times` repetitions of one event, whatever it is.
struct Spending {
    Event event;
    Steps times;
};

/// The noise of one step's parts, each relative to its own sensitivity.
struct StepNoise {
    NoiseMultiplier gradient;
    std::optional<NoiseMultiplier> loss{};             ///< absent: not released
    std::optional<NoiseMultiplier> clipped_fraction{}; ///< absent: not released
};
/// The effective multiplier of what is released from one batch together: (sum of noise^-2)^(-1/2).
/// Andrew et al., arXiv 1905.03871, theorem 1.
NoiseMultiplier joint_noise(NoiseMultiplier a, NoiseMultiplier b);
NoiseMultiplier joint_noise(const StepNoise& noise);
/// The gradient multiplier that gives `effective` beside `scalar`, the joint noise of the rest; an
/// error when effective >= scalar.
Result<NoiseMultiplier> gradient_noise(NoiseMultiplier effective, NoiseMultiplier scalar);

} // namespace velamen::privacy
