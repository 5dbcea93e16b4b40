// SPDX-License-Identifier: GPL-3.0-or-later
//
// One Gaussian release without sampling, exactly: Balle and Wang, "Improving the Gaussian mechanism
// for differential privacy", ICML 2018, theorem 8. Composition of such releases is again one.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/privacy/accountant.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/normal.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Below this the difference of the two terms is round-off; a larger mu only raises the result.
constexpr double kSmallestMu = 1e-9;

double mu_of(NoiseMultiplier sigma) { return std::max(1.0 / sigma.value(), kSmallestMu); }

double delta_at(double epsilon, double mu)
{
    if (epsilon == kInfinity) return 0.0;
    if (mu == kInfinity) return 1.0;
    if (epsilon == 0.0) return std::erf(mu / (2.0 * std::numbers::sqrt2));
    const double first = log_ndtr(mu / 2.0 - epsilon / mu);
    if (first == -kInfinity) return 0.0;
    const double second = epsilon + log_ndtr(-mu / 2.0 - epsilon / mu);
    return std::clamp(-std::expm1(std::min(0.0, second - first)) * std::exp(first), 0.0, 1.0);
}

} // namespace

double gaussian_delta(double epsilon, NoiseMultiplier sigma)
{
    return delta_at(epsilon, mu_of(sigma));
}

Epsilon gaussian_epsilon(Delta delta, NoiseMultiplier sigma)
{
    const double mu = mu_of(sigma);
    const double target = delta.value() * (1.0 - 1e-10); // more than the round-off of delta_at
    if (delta_at(0.0, mu) <= target) return checked<Epsilon>(0.0);
    double low = 0.0, high = 0.5 * mu * mu + mu * std::sqrt(-2.0 * std::log(target));
    if (!std::isfinite(high)) return checked<Epsilon>(kInfinity);
    for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
        const double middle = low + 0.5 * (high - low);
        if (middle <= low || middle >= high) break;
        (delta_at(middle, mu) > target ? low : high) = middle;
    }
    return checked<Epsilon>(high);
}

} // namespace velamen::privacy
