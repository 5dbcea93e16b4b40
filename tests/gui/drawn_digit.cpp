// SPDX-License-Identifier: GPL-3.0-or-later
//
// Digits as polylines with a seeded slant, width and wobble.

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "tests/gui/fake_services.h"

namespace velamen::test {

namespace {

using Point = std::pair<double, double>;
using Stroke = std::vector<Point>;

const std::vector<Stroke>& strokesOf(int digit)
{
    static const std::array<std::vector<Stroke>, 10> digits{{
        {{{.5, .15},
          {.3, .25},
          {.25, .5},
          {.3, .75},
          {.5, .87},
          {.7, .75},
          {.75, .5},
          {.7, .25},
          {.5, .15}}},
        {{{.4, .27}, {.54, .14}, {.5, .87}}},
        {{{.28, .3}, {.38, .17}, {.6, .17}, {.7, .32}, {.6, .5}, {.3, .82}, {.74, .82}}},
        {{{.3, .2},
          {.55, .14},
          {.7, .28},
          {.6, .45},
          {.45, .48},
          {.65, .55},
          {.72, .7},
          {.55, .86},
          {.28, .8}}},
        {{{.35, .16}, {.28, .52}, {.72, .52}}, {{.65, .2}, {.6, .87}}},
        {{{.7, .16}, {.36, .17}, {.33, .46}, {.58, .44}, {.7, .62}, {.6, .82}, {.3, .84}}},
        {{{.62, .14},
          {.38, .36},
          {.29, .65},
          {.42, .86},
          {.64, .8},
          {.68, .62},
          {.5, .54},
          {.31, .66}}},
        {{{.27, .18}, {.72, .18}, {.55, .5}, {.44, .87}}, {{.4, .52}, {.66, .5}}},
        {{{.52, .48},
          {.33, .33},
          {.42, .16},
          {.62, .17},
          {.68, .32},
          {.5, .48},
          {.3, .68},
          {.42, .86},
          {.62, .85},
          {.7, .68},
          {.52, .48}}},
        {{{.68, .3},
          {.52, .15},
          {.33, .28},
          {.38, .47},
          {.6, .46},
          {.68, .3},
          {.66, .6},
          {.52, .87}}},
    }};
    return digits[static_cast<std::size_t>(digit % 10)];
}

double distance(Point p, Point a, Point b)
{
    const double dx = b.first - a.first;
    const double dy = b.second - a.second;
    const double length = dx * dx + dy * dy;
    const double t = length > 0.0
        ? std::clamp(((p.first - a.first) * dx + (p.second - a.second) * dy) / length, 0.0, 1.0)
        : 0.0;
    return std::hypot(p.first - a.first - t * dx, p.second - a.second - t * dy);
}

} // namespace

image::Image drawnDigit(int digit, std::uint64_t seed, int side, double clarity)
{
    std::mt19937_64 random(seed * 31 + static_cast<std::uint64_t>(digit));
    std::uniform_real_distribution<double> unit(-1.0, 1.0);
    const double slant = 0.18 * unit(random);
    const double width = 0.045 + 0.014 * unit(random);
    const double stretch = 1.0 + 0.12 * unit(random);
    std::vector<Stroke> strokes = strokesOf(digit);
    for (auto& stroke : strokes)
        for (auto& [x, y] : stroke) {
            x = 0.5 + (x - 0.5) * stretch - slant * (y - 0.5) + 0.022 * unit(random);
            y += 0.022 * unit(random);
        }
    image::Image image{side, side, 1, {}};
    image.pixels.reserve(static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
    for (int row = 0; row < side; ++row)
        for (int column = 0; column < side; ++column) {
            const Point p{(column + 0.5) / side, (row + 0.5) / side};
            double near = 1.0;
            for (const auto& stroke : strokes)
                for (std::size_t i = 1; i < stroke.size(); ++i)
                    near = std::min(near, distance(p, stroke[i - 1], stroke[i]));
            const double ink = std::clamp((width - near) * side * 0.8 + 0.7, 0.0, 1.0);
            const double noise = 0.5 + 0.5 * unit(random);
            const double value = clarity * ink + (1.0 - clarity) * noise;
            image.pixels.push_back(
                static_cast<std::uint8_t>(std::lround(255.0 * std::clamp(value, 0.0, 1.0))));
        }
    return image;
}

} // namespace velamen::test
