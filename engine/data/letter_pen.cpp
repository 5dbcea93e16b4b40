// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/letter_pen.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace velamen::data {

namespace {

constexpr int kInner = 28;    // MNIST's picture
constexpr int kOuter = 32;    // with two pixels of black around
constexpr double kBox = 20.0; // MNIST's box for the letter
constexpr double kSkeletonShare = 0.8;

struct Point {
    float x = 0;
    float y = 0;
};

// Scale, shear and turn, then four slow waves of random direction (elastic bending).
std::vector<Point> bent(const std::vector<GlyphPoint>& points, PenRandom& random)
{
    const double scale_x = std::exp(0.18 * random.normal());
    const double scale_y = std::exp(0.08 * random.normal());
    const double shear = 0.22 * random.normal();
    const double angle = 0.14 * random.normal();
    const double c = std::cos(angle), s = std::sin(angle);
    const double xx = c * scale_x, xy = c * shear - s * scale_y;
    const double yx = s * scale_x, yy = s * shear + c * scale_y;

    struct Wave {
        double kx, ky, phase, ax, ay;
    };
    std::array<Wave, 4> waves{};
    const double strength = std::abs(0.09 * random.normal());
    for (auto& wave : waves) {
        wave.kx = 2.0 * random.normal();
        wave.ky = 2.0 * random.normal();
        wave.phase = 2.0 * std::numbers::pi * random.uniform();
        wave.ax = strength * random.normal();
        wave.ay = strength * random.normal();
    }

    std::vector<Point> result;
    result.reserve(points.size());
    for (const auto point : points) {
        const double px = (point.x - kGlyphBox / 2.0) / (kGlyphSide / 2.0);
        const double py = (point.y - kGlyphBox / 2.0) / (kGlyphSide / 2.0);
        const double x = xx * px + xy * py, y = yx * px + yy * py;
        double dx = 0.0, dy = 0.0;
        for (const auto& wave : waves) {
            const double height = std::sin(wave.kx * x + wave.ky * y + wave.phase);
            dx += height * wave.ax;
            dy += height * wave.ay;
        }
        result.push_back({static_cast<float>(x + dx), static_cast<float>(y + dy)});
    }
    return result;
}

// Moves and scales the points so that, drawn `width` wide, they fill the box around the middle.
void fit(std::vector<Point>& points, double width)
{
    float left = points[0].x, right = left, top = points[0].y, bottom = top;
    for (const auto& point : points) {
        left = std::min(left, point.x);
        right = std::max(right, point.x);
        top = std::min(top, point.y);
        bottom = std::max(bottom, point.y);
    }
    const float extent = std::max({right - left, bottom - top, 1e-3F});
    const float scale = static_cast<float>(kBox - width) / extent;
    constexpr float middle = (kInner - 1) / 2.0F;
    for (auto& point : points) {
        point.x = (point.x - (left + right) / 2) * scale + middle;
        point.y = (point.y - (top + bottom) / 2) * scale + middle;
    }
}

using Canvas = std::array<float, static_cast<std::size_t>(kInner* kInner)>;

// Ink by the distance to the nearest point: full within the pen, fading over `softness` pixels.
Canvas traced(const std::vector<Point>& points, double width, double softness)
{
    const auto reach = static_cast<float>(width / 2 + softness / 2);
    constexpr float far = 1e6F;
    Canvas squared{};
    squared.fill(far);
    for (const auto& point : points) {
        const int x0 = std::max(0, static_cast<int>(std::ceil(point.x - reach)));
        const int x1 = std::min(kInner - 1, static_cast<int>(std::floor(point.x + reach)));
        const int y0 = std::max(0, static_cast<int>(std::ceil(point.y - reach)));
        const int y1 = std::min(kInner - 1, static_cast<int>(std::floor(point.y + reach)));
        for (int y = y0; y <= y1; ++y)
            for (int x = x0; x <= x1; ++x) {
                const float dx = static_cast<float>(x) - point.x;
                const float dy = static_cast<float>(y) - point.y;
                float& best = squared[static_cast<std::size_t>(y * kInner + x)];
                best = std::min(best, dx * dx + dy * dy);
            }
    }
    for (float& value : squared)
        value = static_cast<float>(std::clamp(
            (width / 2 - std::sqrt(static_cast<double>(value))) / softness + 0.5, 0.0, 1.0));
    return squared;
}

// MNIST's rule: whole pixels, so that the centre of mass lies nearest to the middle.
image::Image placed(const Canvas& canvas, double total)
{
    double mean_x = 0.0, mean_y = 0.0;
    for (int y = 0; y < kInner; ++y)
        for (int x = 0; x < kInner; ++x) {
            const double ink = canvas[static_cast<std::size_t>(y * kInner + x)];
            mean_x += ink * x;
            mean_y += ink * y;
        }
    constexpr double middle = (kInner - 1) / 2.0;
    const auto dx = static_cast<int>(std::lround(middle - mean_x / total));
    const auto dy = static_cast<int>(std::lround(middle - mean_y / total));
    image::Image image{.width = kOuter, .height = kOuter, .channels = 1};
    image.pixels.assign(static_cast<std::size_t>(kOuter * kOuter), 0);
    constexpr int border = (kOuter - kInner) / 2;
    for (int y = 0; y < kInner; ++y)
        for (int x = 0; x < kInner; ++x) {
            const int from_x = x - dx, from_y = y - dy;
            if (from_x < 0 || from_x >= kInner || from_y < 0 || from_y >= kInner) continue;
            image.pixels[static_cast<std::size_t>((y + border) * kOuter + x + border)] =
                static_cast<std::uint8_t>(
                    255.0F * canvas[static_cast<std::size_t>(from_y * kInner + from_x)] + 0.5F);
        }
    return image;
}

std::uint64_t mixed(std::uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

} // namespace

PenRandom::PenRandom(std::uint64_t seed, std::uint64_t index)
    : state_(mixed(mixed(seed + 0x9e3779b97f4a7c15ULL) ^ index))
{
}

std::uint64_t PenRandom::next()
{
    state_ += 0x9e3779b97f4a7c15ULL;
    return mixed(state_);
}

double PenRandom::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double PenRandom::normal()
{
    const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::optional<image::Image> draw_letter(const GlyphShape& shape, PenRandom& random)
{
    const bool skeleton = random.uniform() < kSkeletonShare;
    std::vector<Point> points = bent(skeleton ? shape.skeleton : shape.area, random);
    if (points.empty()) return std::nullopt;
    const double softness = 0.7 + 0.6 * random.uniform();
    // The points of an area lie about a quarter of a pixel apart: this pen just closes the gaps.
    const double width =
        skeleton ? std::clamp(2.5 + 0.7 * random.normal(), 1.2, 4.8) : softness + 0.4;
    fit(points, width);
    const Canvas canvas = traced(points, width, softness);
    double total = 0.0;
    for (const float ink : canvas)
        total += ink;
    if (total <= 3.0) return std::nullopt;
    return placed(canvas, total);
}

} // namespace velamen::data
