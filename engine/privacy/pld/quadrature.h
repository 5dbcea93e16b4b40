// SPDX-License-Identifier: GPL-3.0-or-later
//
// Gauss-Legendre panels for integrals over one cell of a grid of losses, where differences of
// closed forms would lose their digits. Internal to engine/privacy.

#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace velamen::privacy {

struct Node {
    double at; // in [0, 1]
    double weight;
};
inline constexpr std::array<Node, 3> kThree{
    {{0.1127016653792583, 5.0 / 18.0}, {0.5, 8.0 / 18.0}, {0.8872983346207417, 5.0 / 18.0}}};
inline constexpr std::array<Node, 5> kFive{{{0.04691007703066800, 0.11846344252809454},
                                            {0.23076534494715845, 0.23931433524968324},
                                            {0.5, 0.28444444444444444},
                                            {0.76923465505284155, 0.23931433524968324},
                                            {0.95308992296933200, 0.11846344252809454}}};

/// expm1 for the many small arguments of narrow cells.
inline double quick_expm1(double s)
{
    if (std::abs(s) > 0.01) return std::expm1(s);
    return s * (1.0 + s / 2.0 * (1.0 + s / 3.0 * (1.0 + s / 4.0 * (1.0 + s / 5.0))));
}

/// Calls panel(nodes, from, width) on pieces of [from, to] short enough for full precision, where
/// `scale` is the fastest exponential rate of the integrand (at least 1).
template <class Panel>
void for_each_panel(double from, double to, double scale, const Panel& panel)
{
    const double width = to - from;
    if (!(width > 0.0)) return;
    if (width * scale < 0.01) {
        panel(kThree, from, width);
        return;
    }
    const double count = std::ceil(width * scale / 0.1);
    for (double k = 0.0; k < count; ++k)
        panel(kFive, from + width * (k / count), width / count);
}

} // namespace velamen::privacy
