// SPDX-License-Identifier: GPL-3.0-or-later
//
// Joint release of a gradient and scalars. Roundings go towards less noise in the accountant.

#include "engine/privacy/events.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/privacy/checked.h"

namespace velamen::privacy {
namespace {

double joint(double a, double b)
{
    const double small = std::min(a, b), ratio = small / std::max(a, b);
    return small / std::sqrt(1.0 + ratio * ratio);
}

} // namespace

NoiseMultiplier joint_noise(NoiseMultiplier a, NoiseMultiplier b)
{
    return checked<NoiseMultiplier>(joint(a.value(), b.value()));
}

NoiseMultiplier joint_noise(const StepNoise& noise)
{
    // In the order in which plans are made: gradient_noise() of the joint noise of the scalars.
    std::optional<NoiseMultiplier> scalars = noise.loss;
    if (noise.clipped_fraction)
        scalars = scalars ? joint_noise(*scalars, *noise.clipped_fraction) : noise.clipped_fraction;
    return scalars ? joint_noise(noise.gradient, *scalars) : noise.gradient;
}

Result<NoiseMultiplier> gradient_noise(NoiseMultiplier effective, NoiseMultiplier scalar)
{
    const double e = effective.value(), s = scalar.value();
    const double ratio = e / s;
    double gradient = e / std::sqrt((1.0 - ratio) * (1.0 + ratio));
    for (int i = 0; i < 64 && std::isfinite(gradient) && joint(gradient, s) < e; ++i)
        gradient = std::nextafter(gradient, std::numeric_limits<double>::infinity());
    if (!(e < s) || !std::isfinite(gradient) || joint(gradient, s) < e)
        return fail(ErrorCode::InvalidArgument,
                    "effective noise " + std::to_string(e)
                        + " cannot be reached beside a scalar with noise " + std::to_string(s),
                    "give the scalar more noise than the whole, or do not release it");
    return NoiseMultiplier::create(gradient);
}

} // namespace velamen::privacy
