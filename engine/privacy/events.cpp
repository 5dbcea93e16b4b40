// SPDX-License-Identifier: GPL-3.0-or-later
//
// Joint release of a gradient and a scalar. Roundings go towards less noise in the accountant.

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

NoiseMultiplier joint_noise(NoiseMultiplier gradient, NoiseMultiplier scalar)
{
    return checked<NoiseMultiplier>(joint(gradient.value(), scalar.value()));
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
