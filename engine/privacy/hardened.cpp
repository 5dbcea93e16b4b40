// SPDX-License-Identifier: GPL-3.0-or-later
//
// The integer orders of rdp_of, each converted and rounded up.

#include "engine/privacy/hardened.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/privacy/checked.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// 2 to 128, then each an eighth above the one before.
std::vector<int> make_orders()
{
    std::vector<int> orders;
    for (int order = 2; order <= 4096; order += order < 128 ? 1 : order / 8)
        orders.push_back(order);
    return orders;
}

// Proposition 12 with the total variation bound sqrt(1 - e^-KL) for tiny divergences. The margins
// cover the rounding of rdp_of (below 1e-12 relative at these orders) and of the terms here.
double epsilon_at(double r, double order, double delta)
{
    constexpr double kDivergenceMargin = 1e-11;
    constexpr double kTermMargin = 1e-14;
    r *= 1.0 + kDivergenceMargin;
    if (delta * delta * (1.0 - kTermMargin) + std::expm1(-r) > 0.0) return 0.0;
    if (!std::isfinite(r)) return kInfinity;
    const double gain = std::log1p(-1.0 / order);
    const double loss = -(std::log(delta) + std::log(order)) / (order - 1.0);
    const double margin =
        kTermMargin * (r - gain + (std::abs(std::log(delta)) + std::log(order)) / (order - 1.0));
    return std::max(0.0, r + gain + loss + margin);
}

} // namespace

RdpBound hardened_epsilon(std::span<const Segment> segments, Delta delta)
{
    static const std::vector<int> orders = make_orders();
    if (segments.empty())
        return {checked<Epsilon>(0.0), static_cast<double>(orders.front()), false};
    RdpBound best{checked<Epsilon>(kInfinity), static_cast<double>(orders.back()), true};
    for (const int order : orders) {
        double r = 0.0;
        for (const auto& segment : segments)
            r += rdp_of(segment.event, segment.steps, order);
        const double epsilon = epsilon_at(r, order, delta.value());
        if (epsilon < best.epsilon.value())
            best = {checked<Epsilon>(epsilon), static_cast<double>(order),
                    order == orders.front() || order == orders.back()};
    }
    return best;
}

} // namespace velamen::privacy
