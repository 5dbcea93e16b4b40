// SPDX-License-Identifier: GPL-3.0-or-later
//
// Connect-the-dots as a sum of cells. Between two grid points e1 < e2 algorithm 1 moves the mass p
// of the upper distribution (and r of the lower one) to the two points so that both are kept: a + b
// = p, a e^-e1 + b e^-e2 = r, hence b = (p - e^e1 r) / (1 - e^-h), a = (e^e2 r - p) / (e^h - 1).
// Both numerators are integrals of non-negative functions, taken by Gauss-Legendre here:
// differences of delta(epsilon), as the paper writes them, lose ten digits at h = 1e-4. Exchanging
// the two distributions mirrors the grid, so the direction "add" is the same cells times e^-loss.

#include "engine/privacy/pld/pmf.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/core/assert.h"
#include "engine/privacy/normal.h"
#include "engine/privacy/pld/quadrature.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kFar = 38.5; // phi is zero beyond, in doubles

/// The unsampled loss t = log(phi(z + mu) / phi(z)) in units z = x / sigma; decreasing in z.
struct Pair {
    double q;
    double mu; // 1 / sigma

    double unsampled(double z) const { return -mu * (0.5 * mu + z); }
    double position(double t) const { return -t / mu - 0.5 * mu; }

    double loss(double z) const
    {
        const double t = unsampled(z);
        if (q == 1.0) return t;
        return t > 0.0 ? t + std::log(q + (1.0 - q) * std::exp(-t)) : std::log1p(q * std::expm1(t));
    }

    /// The t with log(1 - q + q e^t) = epsilon; -infinity below the smallest loss.
    double unsampled_at(double epsilon) const
    {
        if (q == 1.0) return epsilon;
        if (epsilon > 1.0)
            return epsilon + std::log1p(-(1.0 - q) * std::exp(-epsilon)) - std::log(q);
        const double ratio = std::expm1(epsilon) / q;
        if (ratio <= -1.0) return -kInfinity;
        return ratio < 1e300 ? std::log1p(ratio) : std::log(std::expm1(epsilon)) - std::log(q);
    }
};

/// A grid point: its loss, and where the distributions are cut for it.
struct Dot {
    double epsilon;
    double t;
    double z;
};

struct Split {
    double excess = 0.0; // integral of p - e^e1 r, or of p when e1 is -infinity
    double lack = 0.0;   // integral of e^e2 r - p
    double mass = 0.0;   // integral of p
};

template <std::size_t N>
void add_panel(const Pair& pair, const std::array<Node, N>& nodes, double from, double width,
               const Dot& lower, const Dot& upper, bool has_upper, Split& sum)
{
    const double mu = pair.mu;
    const bool has_cut = lower.t > -kInfinity;
    // q g phi0 is what e^e1 r exceeds (1 - q) phi0 by; not positive when e1 is below every loss
    const double g = has_cut ? 0.0 : 1.0 + std::expm1(lower.epsilon) / pair.q;
    for (const auto& node : nodes) {
        const double z = from + width * node.at;
        const double log_one = -0.5 * (z + mu) * (z + mu), weight = node.weight * width;
        const double one = std::exp(log_one);
        if (has_cut)
            sum.excess -= weight * one * quick_expm1(-mu * (lower.z - z));
        else
            sum.excess += weight * (one - g * std::exp(-0.5 * z * z));
        if (!has_upper) continue;
        const double s = mu * (z - upper.z);
        sum.lack += weight * (s < 1.0 ? one * quick_expm1(s) : std::exp(log_one + s) - one);
    }
}

/// Cell between two neighbouring dots; `upper` has the larger loss and the smaller z.
Split integrate(const Pair& pair, const Dot& lower, const Dot& upper, bool has_upper, double from,
                double to)
{
    Split sum;
    for_each_panel(from, to, std::max(1.0, pair.mu),
                   [&](const auto& nodes, double start, double width) {
                       add_panel(pair, nodes, start, width, lower, upper, has_upper, sum);
                   });
    const double scale = pair.q / std::sqrt(2.0 * std::numbers::pi);
    sum.excess *= scale;
    sum.lack *= scale;
    return sum;
}

Pair make_pair(double rate, double sigma) { return {rate, 1.0 / sigma}; }

} // namespace

LossRange loss_range(double rate, double sigma, double log_mass)
{
    const Pair pair = make_pair(rate, sigma);
    const double z0 = ndtri_exp(log_mass - std::numbers::ln2);
    return {pair.loss(-z0), pair.loss(z0 - pair.mu)};
}

LossPmfPair discretise(double rate, double sigma, double step, double log_mass)
{
    const Pair pair = make_pair(rate, sigma);
    const LossRange range = loss_range(rate, sigma, log_mass);
    const auto lowest = static_cast<std::int64_t>(std::floor(range.low / step));
    const auto highest =
        std::max(static_cast<std::int64_t>(std::ceil(range.high / step)), lowest + 1);
    const auto count = static_cast<std::size_t>(highest - lowest + 1);
    VELAMEN_ASSERT(step <= kMostStep);
    VELAMEN_ASSERT(count < (std::size_t{1} << 31));

    LossPmfPair result;
    for (auto* pmf : {&result.remove, &result.add}) {
        pmf->step = step;
        pmf->mass.assign(count, 0.0);
    }
    result.remove.lowest = lowest;
    result.add.lowest = -highest;
    auto& mass = result.remove.mass;

    const auto dot = [&](std::int64_t index) {
        const double epsilon = static_cast<double>(index) * step, t = pair.unsampled_at(epsilon);
        return Dot{epsilon, t, t == -kInfinity ? kInfinity : pair.position(t)};
    };
    const double up = -std::expm1(-step), down = std::expm1(step);

    Dot lower = dot(lowest);
    { // below the grid: up to its first point; to infinity where the distributions are exchanged
        const double from = lower.z, to = std::max(from, kFar);
        const double below =
            from < kFar ? (1.0 - pair.q) * ndtr(-from) + pair.q * ndtr(-from - pair.mu) : 0.0;
        mass[0] += below;
        const Dot none{-kInfinity, -kInfinity, kInfinity};
        const auto split = integrate(pair, none, lower, true, from, to);
        result.add.infinite = std::max(0.0, split.lack) * std::exp(-lower.epsilon);
    }
    for (std::size_t i = 0; i + 1 < count; ++i) {
        const Dot upper = dot(lowest + static_cast<std::int64_t>(i) + 1);
        const double from = std::max(upper.z, -kFar - pair.mu), to = std::min(lower.z, kFar);
        const auto split = integrate(pair, lower, upper, true, from, to);
        mass[i] += std::max(0.0, split.lack) / down;
        mass[i + 1] += std::max(0.0, split.excess) / up;
        lower = upper;
    }
    { // above the grid: what delta(epsilon) of its last point keeps is infinite
        const double from = -kFar - pair.mu, to = lower.z;
        const auto split = integrate(pair, lower, lower, false, from, to);
        const double above = (1.0 - pair.q) * ndtr(to) + pair.q * ndtr(to + pair.mu);
        result.remove.infinite = std::clamp(split.excess, 0.0, above);
        mass.back() += above - result.remove.infinite;
    }

    if (rate == 1.0) {
        result.add = result.remove;
        result.is_symmetric = true;
        return result;
    }
    for (std::size_t i = 0; i < count; ++i)
        result.add.mass[count - 1 - i] =
            mass[i] * std::exp(-static_cast<double>(lowest + static_cast<std::int64_t>(i)) * step);
    return result;
}

LossPmf coarsen(const LossPmf& fine)
{
    const auto half = [](std::int64_t i) { return i >= 0 ? i / 2 : -((-i + 1) / 2); }; // floor
    const auto size = static_cast<std::int64_t>(fine.mass.size());
    LossPmf coarse{.step = 2.0 * fine.step, .lowest = half(fine.lowest), .infinite = fine.infinite};
    const std::int64_t highest = half(fine.lowest + size); // ceil((lowest + size - 1) / 2)
    coarse.mass.assign(static_cast<std::size_t>(highest - coarse.lowest + 1), 0.0);
    const double up = 1.0 / (1.0 + std::exp(-fine.step)), down = 1.0 / (1.0 + std::exp(fine.step));
    for (std::int64_t k = 0; k < size; ++k) {
        const std::int64_t index = fine.lowest + k;
        const auto to = static_cast<std::size_t>(half(index) - coarse.lowest);
        const double p = fine.mass[static_cast<std::size_t>(k)];
        if (index % 2 == 0) {
            coarse.mass[to] += p;
        } else {
            coarse.mass[to] += p * down;
            coarse.mass[to + 1] += p * up;
        }
    }
    return coarse;
}

} // namespace velamen::privacy
