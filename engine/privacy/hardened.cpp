// SPDX-License-Identifier: GPL-3.0-or-later
//
// The integer orders of the common Renyi accounting.

#include "engine/privacy/hardened.h"

#include <vector>

#include "engine/privacy/composition.h"

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
    return calibrate_beside({}, target, delta, rate, steps, true);
}

} // namespace velamen::privacy
