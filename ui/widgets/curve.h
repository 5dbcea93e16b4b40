// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a plot does with a long curve before it draws it.

#pragma once

#include <vector>

#include <QPointF>

namespace velamen::ui {

/// For each of `columns` equal stretches of x the smallest and the largest y, in order of x: at
/// most 2 * columns points, and every spike survives.
std::vector<QPointF> decimate(const std::vector<QPointF>& points, int columns);
/// Exponential moving average with bias correction, as the strong line beside a thin one.
std::vector<QPointF> smoothed(const std::vector<QPointF>& points, double decay = 0.9);

} // namespace velamen::ui
