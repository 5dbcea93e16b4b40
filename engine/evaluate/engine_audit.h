// SPDX-License-Identifier: GPL-3.0-or-later
//
// A membership audit of the private step itself. Every canary is a unit, of several images and
// noise draws if so wished, whose gradient points along an axis of its own and is ten times longer
// than the clipping norm; a fair coin decides whether it takes part. Whoever sees the released
// gradient guesses who was in. A step that adds less noise than it claims, or clips less, is
// refuted. No private image is touched.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/core/result.h"
#include "engine/evaluate/audit_bound.h"
#include "engine/privacy/units.h"

namespace velamen::evaluate {

/// One full-batch step (sampling rate 1). The numbers are fixed before the coins are thrown. With
/// the defaults a step with half of the claimed noise guesses about 965 of 1,000 right, give or
/// take 6, where 938 refute the claim; an honest one about 835.
struct EngineAudit {
    std::int64_t canaries = 200'000;
    std::int64_t guesses = 1000; ///< half for the highest scores ("in"), half for the lowest
    std::int64_t images = 1;     ///< of each canary
    std::int64_t draws = 1;      ///< noise draws of each image
    double noise = 2.0;          ///< claimed multiplier, above 0
    double clip = 1.0;           ///< clipping norm, above 0
    double delta = 1e-7;         ///< at which epsilon is claimed; far below 1 / canaries
    double significance = 0.05;  ///< chance that an honest step is accused
};

struct EngineVerdict {
    Guesses guesses;
    double claimed = 0.0; ///< exact epsilon of one Gaussian release
    double refuted = 0.0; ///< lower bound from the guesses
    bool is_refuted() const noexcept { return refuted > claimed; }
};

/// The gradient [canaries] that one step of `audit` releases when only `included` take part, in
/// ascending order, with the canaries' gradients along the axes of their own index. The scale does
/// not matter.
using StepUnderAudit = std::function<Result<std::vector<float>>(
    const EngineAudit& audit, std::span<const std::int64_t> included)>;

/// The step that private runs take: tape, clipper, ledger line (of a ledger in a temporary folder),
/// noise, optimiser. Fresh keys.
Result<std::vector<float>> engine_step(const EngineAudit& audit,
                                       std::span<const std::int64_t> included);

/// Correlation of what two steps release in which nobody takes part: noise alone. Within 5 /
/// sqrt(canaries) of 0 when it is fresh in every step, 1 when it is used again.
Result<double> noise_correlation(const EngineAudit& audit,
                                 const StepUnderAudit& step = engine_step);

/// Throws the coins, takes the step, guesses. InvalidArgument for numbers outside their range.
/// Needs about 100 bytes a canary and as many for each image and draw; a second or so.
Result<EngineVerdict> audit_engine(const EngineAudit& audit,
                                   const StepUnderAudit& step = engine_step);

} // namespace velamen::evaluate
