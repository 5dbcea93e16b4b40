// SPDX-License-Identifier: GPL-3.0-or-later
//
// The free number of a plan from the others. What is returned never spends more than the target.

#pragma once

#include "engine/privacy/events.h"

namespace velamen::privacy {

/// The smallest noise (to 1e-4 relative) whose PLD epsilon after `steps` is at most `target`.
/// Refused when the target cannot be reached, with the nearest reachable value in the hint.
Result<NoiseMultiplier> calibrate_noise(Epsilon target, Delta delta, SamplingRate rate, Steps steps,
                                        Neighbours relation = Neighbours::ZeroOut);

/// The largest number of steps that stays within `target`; Refused when not even one does.
Result<Steps> max_steps(Epsilon target, Delta delta, const SubsampledGaussian& event,
                        Neighbours relation = Neighbours::ZeroOut);

/// The largest sampling rate (to 1e-4 relative) within `target`; Refused when none is.
Result<SamplingRate> max_rate(Epsilon target, Delta delta, NoiseMultiplier noise, Steps steps,
                              Neighbours relation = Neighbours::ZeroOut);

} // namespace velamen::privacy
