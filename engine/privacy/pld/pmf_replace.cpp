// SPDX-License-Identifier: GPL-3.0-or-later
//
// Connect-the-dots for the replacement of one unit: both distributions are mixtures, p = (1-q)
// phi(z) + q phi(z + mu) and r(z) = p(-z), in units z = x / sigma with mu = 1 / sigma. Where the
// loss is epsilon, mu z = -epsilon/2 - asinh((1-q)/q e^(mu^2/2) sinh(epsilon/2)). With that the
// common part (1-q) phi drops out of what the cells of pmf.cpp need:
//   p - e^epsilon r = q (e^epsilon phi(z - mu) (e^x - 1) - phi(z + mu) (e^-x - 1)), x = mu (z_0 -
//   z),
// a sum of two terms of equal sign. Exchanging the distributions mirrors z, so both directions have
// one loss.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/assert.h"
#include "engine/privacy/normal.h"
#include "engine/privacy/pld/pmf.h"
#include "engine/privacy/pld/quadrature.h"

namespace velamen::privacy {
namespace {

constexpr double kFar = 38.5; // phi is zero beyond, in doubles

struct ReplacePair {
    double q;
    double mu;

    /// log(1 - q + q e^t), t the loss without sampling when the unit is removed.
    double half_loss(double z) const
    {
        const double t = -mu * (0.5 * mu + z);
        if (q == 1.0) return t;
        return t > 0.0 ? t + std::log(q + (1.0 - q) * std::exp(-t)) : std::log1p(q * std::expm1(t));
    }
    double loss(double z) const { return half_loss(z) - half_loss(-z); }

    double position(double epsilon) const
    {
        const double half = 0.5 * std::abs(epsilon);
        double shift = 0.0; // asinh(a sinh(half))
        if (q < 1.0 && half > 0.0) {
            const double log_a = std::log1p(-q) - std::log(q) + 0.5 * mu * mu;
            const double log_sinh = half > 1.0 ? half + std::log(-0.5 * std::expm1(-2.0 * half))
                                               : std::log(std::sinh(half));
            const double log_x = log_a + log_sinh;
            shift = log_x > 30.0 ? log_x + std::numbers::ln2 : std::asinh(std::exp(log_x));
        }
        return std::copysign((half + shift) / mu, -epsilon);
    }
};

struct Dot {
    double epsilon;
    double z;
};

/// |p - e^epsilon r| sqrt(2 pi) / q at z.
double gap(const ReplacePair& pair, const Dot& dot, double z)
{
    const double x = pair.mu * (dot.z - z);
    const double one = -0.5 * (z + pair.mu) * (z + pair.mu);
    const double other = dot.epsilon - 0.5 * (z - pair.mu) * (z - pair.mu);
    if (std::abs(x) < 1.0)
        return std::abs(std::exp(other) * quick_expm1(x) - std::exp(one) * quick_expm1(-x));
    return std::abs((std::exp(other + x) - std::exp(other)) - (std::exp(one - x) - std::exp(one)));
}

double integrate_gap(const ReplacePair& pair, const Dot& dot, double from, double to)
{
    double sum = 0.0;
    for_each_panel(from, to, std::max(1.0, pair.mu),
                   [&](const auto& nodes, double start, double width) {
                       for (const auto& node : nodes)
                           sum += node.weight * width * gap(pair, dot, start + width * node.at);
                   });
    return sum * pair.q / std::sqrt(2.0 * std::numbers::pi);
}

} // namespace

LossRange replace_loss_range(double rate, double sigma, double log_mass)
{
    const ReplacePair pair{rate, 1.0 / sigma};
    const double high = pair.loss(ndtri_exp(log_mass - std::numbers::ln2) - pair.mu);
    return {-high, high};
}

LossPmfPair discretise_replace(double rate, double sigma, double step, double log_mass)
{
    const ReplacePair pair{rate, 1.0 / sigma};
    const LossRange range = replace_loss_range(rate, sigma, log_mass);
    const auto highest =
        std::max<std::int64_t>(static_cast<std::int64_t>(std::ceil(range.high / step)), 1);
    const auto count = static_cast<std::size_t>(2 * highest + 1);
    VELAMEN_ASSERT(step <= kMostStep);
    VELAMEN_ASSERT(count < (std::size_t{1} << 31));

    LossPmfPair result{.is_symmetric = true};
    LossPmf& pmf = result.remove;
    pmf.step = step;
    pmf.lowest = -highest;
    pmf.mass.assign(count, 0.0);
    const auto dot = [&](std::int64_t index) {
        const double epsilon = static_cast<double>(index) * step;
        return Dot{epsilon, pair.position(epsilon)};
    };
    const auto below = [&](double z) { // p of everything with z' < z
        return (1.0 - pair.q) * ndtr(z) + pair.q * ndtr(z + pair.mu);
    };
    const double up = -std::expm1(-step), down = std::expm1(step);

    Dot lower = dot(-highest);
    pmf.mass[0] += (1.0 - pair.q) * ndtr(-lower.z) + pair.q * ndtr(-lower.z - pair.mu);
    for (std::size_t i = 0; i + 1 < count; ++i) {
        const Dot upper = dot(pmf.lowest + static_cast<std::int64_t>(i) + 1);
        const double from = std::max(upper.z, -kFar - pair.mu);
        const double to = std::min(lower.z, kFar + pair.mu);
        pmf.mass[i] += integrate_gap(pair, upper, from, to) / down;
        pmf.mass[i + 1] += integrate_gap(pair, lower, from, to) / up;
        lower = upper;
    }
    const double above = below(lower.z);
    pmf.infinite = std::clamp(integrate_gap(pair, lower, -kFar - pair.mu, lower.z), 0.0, above);
    pmf.mass.back() += above - pmf.infinite;
    result.add = pmf;
    return result;
}

} // namespace velamen::privacy
