// SPDX-License-Identifier: GPL-3.0-or-later
//
// The integer orders of the common Renyi accounting.

#include "engine/privacy/hardened.h"

#include <cmath>
#include <vector>

#include "engine/privacy/checked.h"
#include "engine/privacy/composition.h"
#include "engine/privacy/explain.h"

namespace velamen::privacy {

RdpBound hardened_epsilon(std::span<const Segment> segments, Delta delta)
{
    std::vector<Spending> all;
    for (const Segment& segment : segments)
        all.push_back({SubsampledDiscreteGaussian{segment.event}, segment.steps});
    return *composed_rdp(all, delta); // such events pass every check under zero-out
}

Result<NoiseMultiplier> calibrate_hardened_noise(Epsilon target, Delta delta, SamplingRate rate,
                                                 Steps steps)
{
    const auto epsilon_at = [&](double log_noise) {
        const Segment plan{{rate, checked<NoiseMultiplier>(std::exp(log_noise))}, steps};
        return hardened_epsilon({&plan, 1}, delta).epsilon;
    };
    constexpr double kPrecision = 1e-4, kMostNoise = 1e9, kLeastNoise = 1e-3;
    double enough = std::log(kMostNoise), little = std::log(kLeastNoise);
    if (epsilon_at(enough) > target)
        return fail(ErrorCode::Refused,
                    "epsilon " + epsilon_text(target) + " cannot be reached by hardened noise",
                    "the nearest is epsilon " + epsilon_text(epsilon_at(enough)));
    if (epsilon_at(little) <= target) return checked<NoiseMultiplier>(kLeastNoise);
    while (enough - little > kPrecision) {
        const double middle = 0.5 * (enough + little);
        (epsilon_at(middle) <= target ? enough : little) = middle;
    }
    return checked<NoiseMultiplier>(std::exp(enough));
}

} // namespace velamen::privacy
