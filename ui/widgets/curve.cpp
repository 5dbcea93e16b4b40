// SPDX-License-Identifier: GPL-3.0-or-later

#include "ui/widgets/curve.h"

#include <algorithm>
#include <cstddef>

namespace velamen::ui {

std::vector<QPointF> decimate(const std::vector<QPointF>& points, int columns)
{
    const auto wanted = static_cast<std::size_t>(std::max(columns, 1));
    if (points.size() <= 2 * wanted) return points;
    const double first = points.front().x();
    const double width = (points.back().x() - first) / static_cast<double>(wanted);
    if (!(width > 0.0)) return {points.front(), points.back()};
    std::vector<QPointF> out;
    out.reserve(2 * wanted);
    std::size_t begin = 0;
    for (std::size_t column = 0; column < wanted && begin < points.size(); ++column) {
        const double end = first + width * static_cast<double>(column + 1);
        std::size_t low = begin;
        std::size_t high = begin;
        std::size_t i = begin;
        while (i < points.size() && (points[i].x() < end || column + 1 == wanted)) {
            if (points[i].y() < points[low].y()) low = i;
            if (points[i].y() > points[high].y()) high = i;
            ++i;
        }
        if (i == begin) continue;
        out.push_back(points[std::min(low, high)]);
        if (low != high) out.push_back(points[std::max(low, high)]);
        begin = i;
    }
    return out;
}

std::vector<QPointF> smoothed(const std::vector<QPointF>& points, double decay)
{
    std::vector<QPointF> out;
    out.reserve(points.size());
    double sum = 0.0;
    double weight = 0.0;
    for (const QPointF& point : points) {
        sum = decay * sum + (1.0 - decay) * point.y();
        weight = decay * weight + (1.0 - decay);
        out.emplace_back(point.x(), sum / weight);
    }
    return out;
}

} // namespace velamen::ui
