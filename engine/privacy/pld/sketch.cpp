// SPDX-License-Identifier: GPL-3.0-or-later
//
// Atoms are as dense as the grid around no loss, where rare draws have nearly all of their mass,
// and a fixed fraction of the loss apart further out.

#include "engine/privacy/pld/sketch.h"

#include <algorithm>
#include <cmath>

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSmallestOctave = -40.0;
constexpr double kSpacing = 0.06; // adds 0.06^2 / 8 to a variance around no loss, relatively
constexpr double kSlack = 1e-12;  // more than the rounding of the sums

} // namespace

double lambda_of(int tilt)
{
    if (tilt == 0) return 0.0;
    const double octave = static_cast<double>(std::abs(tilt) - 1) / kTiltsPerOctave;
    return std::copysign(std::exp2(octave + kSmallestOctave), tilt);
}

int tilt_below(double lambda)
{
    if (!(lambda > 0.0)) return 0;
    const double place = (std::log2(lambda) - kSmallestOctave) * kTiltsPerOctave + 1.0;
    auto tilt = static_cast<int>(std::clamp(place, 0.0, static_cast<double>(kMostTilt)));
    while (tilt < kMostTilt && lambda_of(tilt + 1) <= lambda)
        ++tilt;
    while (tilt > 0 && lambda_of(tilt) > lambda)
        --tilt;
    return tilt;
}

LossSketch::LossSketch(const LossPmf& pmf)
{
    const auto size = static_cast<std::int64_t>(pmf.mass.size());
    const auto spacing = [&](std::int64_t k) { // from cell k to the next atom, in cells
        const double far = kSpacing * std::abs(static_cast<double>(pmf.lowest + k));
        return std::max<std::int64_t>(1, static_cast<std::int64_t>(far));
    };
    const auto add_atom = [&](std::int64_t k) {
        loss_.push_back(static_cast<double>(pmf.lowest + k) * pmf.step);
        mass_.push_back(0.0);
    };
    add_atom(0);
    for (std::int64_t from = 0; from < size;) {
        const std::int64_t to = std::min(from + spacing(from), std::max(size - 1, from + 1));
        double total = 0.0, first = 0.0;
        for (std::int64_t k = from; k < std::min(to, size); ++k) {
            const double p = pmf.mass[static_cast<std::size_t>(k)];
            total += p;
            first += p * static_cast<double>(k - from);
        }
        const double above = std::min(total, first / static_cast<double>(to - from));
        mass_.back() += total - above;
        if (to >= size) break;
        add_atom(to);
        mass_.back() += above;
        from = to;
    }
    reach_ = std::max(std::abs(loss_.front()), std::abs(loss_.back()));
}

Cumulant LossSketch::at(double lambda) const
{
    if (!(std::abs(lambda) * reach_ < kMaxExponent)) return {kInfinity, kInfinity};
    double total = 0.0, first = 0.0;
    for (std::size_t k = 0; k < loss_.size(); ++k) {
        const double p = mass_[k] * std::exp(lambda * loss_[k]);
        total += p;
        first += p * loss_[k];
    }
    return {std::log(total) + kSlack, first / total};
}

double LossSketch::variance() const
{
    const double mean = at(0.0).slope;
    double total = 0.0, second = 0.0;
    for (std::size_t k = 0; k < loss_.size(); ++k) {
        total += mass_[k];
        second += mass_[k] * (loss_[k] - mean) * (loss_[k] - mean);
    }
    return second / total;
}

} // namespace velamen::privacy
