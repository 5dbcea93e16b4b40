// SPDX-License-Identifier: GPL-3.0-or-later
//
// erfc from the standard library where it does not underflow, the asymptotic series beyond.

#include "engine/privacy/normal.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace velamen::privacy {

double ndtr(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

double log_ndtr(double x)
{
    if (x > 0.0) return std::log1p(-0.5 * std::erfc(x / std::numbers::sqrt2));
    if (x > -36.0) return std::log(0.5 * std::erfc(-x / std::numbers::sqrt2));
    const double r = 1.0 / (x * x);
    const double series = r * (-1.0 + r * (3.0 + r * (-15.0 + r * (105.0 - 945.0 * r))));
    return -0.5 * x * x - std::log(-x) - 0.5 * std::log(2.0 * std::numbers::pi)
        + std::log1p(series);
}

double ndtri_exp(double log_p)
{
    if (!(log_p < 0.0)) return std::numeric_limits<double>::infinity();
    // Newton on the concave log Phi from a point left of the root converges without overshoot.
    double z = -std::sqrt(-2.0 * log_p) - 1.0;
    if (log_p > -0.1) z = std::sqrt(-2.0 * std::log(-std::expm1(log_p))) * 0.5;
    for (int i = 0; i < 100; ++i) {
        const double value = log_ndtr(z);
        const double slope =
            std::exp(-0.5 * z * z - 0.5 * std::log(2.0 * std::numbers::pi) - value);
        if (!(slope > 0.0)) break;
        const double next = z - (value - log_p) / slope;
        if (std::abs(next - z) <= 1e-15 * (1.0 + std::abs(z))) return next;
        z = next;
    }
    return z;
}

} // namespace velamen::privacy
