// SPDX-License-Identifier: GPL-3.0-or-later
//
// With x_k = (1 / length) sum_j phi_j e^(i w_j (k - origin)) and z = e^(-theta + i w), y = e^-step
// z,
//   delta(loss_m) = sum_{k >= m} (1 - e^(loss_m - loss_k)) p_k
// is for each frequency a geometric series: e^(i w (m - origin)) (1 / (1 - z) - 1 / (1 - y)), less
// the part above `top`. The result is an upper bound because
//  - everything beyond the top or below the bottom counts as infinite loss or wraps to where the
//    sum has it, both of which the window's Chernoff bounds take care of;
//  - frequencies left out add up to at most their largest size times the value of the series at
//    w = 0, since all weights of the series are positive: that is part of the error;
//  - the error by rounding of each frequency, and so of their sum, is part of it as well.

#include "engine/privacy/pld/tail.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace velamen::privacy {
namespace {

constexpr std::size_t kBlock = 32; // harmonics whose turns come from one another

/// 1 - e^(-decay + i w), without cancellation.
std::complex<double> one_minus(double decay, double sine_half, double sine)
{
    const double size = std::exp(-decay);
    return {-std::expm1(-decay) + 2.0 * size * sine_half * sine_half, -size * sine};
}

std::complex<double> inverse(std::complex<double> z) { return std::conj(z) / std::norm(z); }

/// e^(2 pi i j place / length), exact for large products.
std::complex<double> turn(double j, double place, double length)
{
    return std::polar(1.0, 2.0 * std::numbers::pi * (std::fmod(j * place, length) / length));
}

} // namespace

TailSum::TailSum(const Circle& circle, const std::vector<Harmonic>& harmonics,
                 double relative_error, double log_rest)
    : circle_(circle)
{
    const double half = std::numbers::pi / circle.length, gain = -std::expm1(-circle.step);
    const double end = static_cast<double>(circle.top + 1) - circle.origin;
    delta_.reserve(harmonics.size());
    slope_.reserve(harmonics.size());
    for (std::size_t j = 0; j < harmonics.size(); ++j) {
        const auto& harmonic = harmonics[j];
        const double w_half = half * static_cast<double>(j), sine_half = std::sin(w_half);
        const double sine = 2.0 * sine_half * std::cos(w_half);
        const Complex not_z = one_minus(circle.theta, sine_half, sine);
        const Complex not_y = one_minus(circle.theta + circle.step, sine_half, sine);
        const Complex z = 1.0 - not_z, y = 1.0 - not_y;
        const Complex per_z = inverse(not_z), per_y = inverse(not_y);
        const Complex series = gain * z * (per_z * per_y);
        const double weight = (j == 0 ? 1.0 : 2.0) / circle.length;
        const Complex size = std::polar(weight * std::exp(harmonic.log_size), harmonic.angle);
        delta_.push_back(size * series);
        slope_.push_back(size * (y * per_y));
        const Complex at_end = size * turn(static_cast<double>(j), end, circle.length);
        beyond_ += (at_end * per_z).real();
        beyond_decayed_ += (at_end * per_y).real();
        const double error = relative_error * weight * std::exp(harmonic.log_divided);
        // the error of the slope adds step |1 / (1 - y)| to that of delta, at most twice the latter
        error_ += 3.0 * error * std::abs(series);
        beyond_error_ += error * (std::abs(per_z) + std::abs(per_y));
        if (j == 0) error_ += 2.0 * std::exp(log_rest) * series.real();
    }
}

TailSum::AtCell TailSum::at(std::int64_t cell) const
{
    if (cell > circle_.top) return {0.0, 0.0, 0.0};
    const double place = static_cast<double>(cell) - circle_.origin;
    const Complex step = turn(1.0, place, circle_.length);
    double delta = 0.0, slope = 0.0;
    for (std::size_t j0 = 0; j0 < delta_.size(); j0 += kBlock) {
        Complex w = turn(static_cast<double>(j0), place, circle_.length);
        const std::size_t end = std::min(j0 + kBlock, delta_.size());
        for (std::size_t j = j0; j < end; ++j) {
            delta += delta_[j].real() * w.real() - delta_[j].imag() * w.imag();
            slope += slope_[j].real() * w.real() - slope_[j].imag() * w.imag();
            w = {w.real() * step.real() - w.imag() * step.imag(),
                 w.real() * step.imag() + w.imag() * step.real()};
        }
    }
    const auto cells = static_cast<double>(circle_.top + 1 - cell);
    const double decay = std::exp(-circle_.theta * cells), next = std::exp(-circle_.step * cells);
    const double scale = std::exp(circle_.log_scale - circle_.theta * place);
    return {scale * (delta - decay * (beyond_ - next * beyond_decayed_)),
            scale * (slope - decay * next * beyond_decayed_),
            scale * (error_ + decay * beyond_error_)};
}

TailSum::Value TailSum::delta_at(double loss) const
{
    const auto cell = static_cast<std::int64_t>(std::floor(loss / circle_.step));
    const AtCell value = at(cell);
    const double above = loss - static_cast<double>(cell) * circle_.step;
    return {value.delta - std::expm1(std::max(0.0, above)) * value.slope, value.error};
}

double TailSum::crossing(double allowed, double least, double guess) const
{
    constexpr int kNewton = 20; // rounds after which the bracket is halved instead
    const double step = circle_.step;
    if (!(least < static_cast<double>(circle_.top + 1) * step)) return least;
    const auto [delta, error] = delta_at(least);
    if (delta + error <= allowed) return least;
    // delta(low) is too large, delta(high) is not
    std::int64_t high = circle_.top + 1;
    std::int64_t low = std::min(high - 1, static_cast<std::int64_t>(std::floor(least / step)));
    auto cell = static_cast<std::int64_t>(std::clamp(
        std::floor(guess / step), static_cast<double>(low), static_cast<double>(high - 1)));
    for (int round = 0;; ++round) {
        const AtCell value = at(cell);
        const double room = allowed - value.error;
        const bool is_above = !(value.delta <= room);
        if (is_above) {
            const double below = std::log1p((value.delta - room) / value.slope);
            if (below <= step || high - cell <= 1) {
                const double part = below <= step ? below : step;
                return std::max(least, static_cast<double>(cell) * step + part);
            }
        }
        (is_above ? low : high) = cell;
        // Newton's step for log delta, whose curve is nearly straight
        double next = static_cast<double>(cell)
            + std::floor(std::log(value.delta / room) * value.delta / (value.slope * step));
        if (!std::isfinite(next) || round > kNewton)
            next = 0.5 * (static_cast<double>(low) + static_cast<double>(high));
        const auto lowest = static_cast<double>(std::min(is_above ? low + 1 : low, high - 1));
        cell = static_cast<std::int64_t>(std::clamp(next, lowest, static_cast<double>(high - 1)));
    }
}

} // namespace velamen::privacy
