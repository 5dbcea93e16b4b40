// SPDX-License-Identifier: GPL-3.0-or-later
//
// Chernoff: at most e^log_tail of the tilted sum lies beyond (K(l') - K(l) - log_tail) / (l' - l),
// where K is the cumulant function of the sum, l the tilt and l' any larger one (smaller for the
// lower end). K(l') may be replaced by anything larger, K(l) is exact.

#include "engine/privacy/pld/frame.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Log of the probability left outside of the window on each side: of the tilted sum, which is small
// against what is asked for; of the plain sum, which has to be small against any delta.
constexpr double kLogTiltedTail = -25.0; // 1.4e-11
constexpr double kLogPlainTail = -32.3;  // 1e-14
constexpr double kMostCells = 1e15;

/// The tilts that a bound may use, from near ones to far ones. For a normal distribution the best
/// one is about as far as `scale`, or three tilts away; long tails need a nearer one.
std::vector<int> other_tilts(int tilt, double scale, int sign)
{
    std::vector<int> tilts;
    const auto add = [&](int other) {
        if (std::abs(other) <= kMostTilt) tilts.push_back(other);
    };
    constexpr int kFar = 2 * kTiltsPerOctave;
    if (tilt == 0) {
        const int middle = tilt_below(scale);
        for (int other = std::max(1, middle - 5 * kTiltsPerOctave);
             other < middle + 4 * kTiltsPerOctave; other += 2)
            add(sign * other);
        return tilts;
    }
    for (int offset = 1; offset <= 40; offset += offset < 4 ? 1 : 2)
        if (sign > 0 || (offset < kFar && offset < tilt)) add(tilt + sign * offset);
    if (sign > 0) return tilts;
    add(0);
    for (int other = std::max(1, tilt - kFar); other < tilt + 4 * kTiltsPerOctave; other += 2)
        add(-other);
    return tilts;
}

/// The end of the sum in units of loss.
double end_of(std::span<const Part> parts, const Frame& frame, double scale, int sign)
{
    const double log_tail = frame.tilt > 0 ? kLogTiltedTail : kLogPlainTail;
    const double lambda = lambda_of(frame.tilt);
    const double exact = frame.log_scale + frame.theta * static_cast<double>(frame.base);
    double best = sign * kInfinity;
    for (const int other : other_tilts(frame.tilt, scale, sign)) {
        double cumulant = 0.0;
        for (const auto& part : parts)
            cumulant += static_cast<double>(part.steps) * part.spectra->cumulant(other).value;
        const double end = (cumulant - exact - log_tail) / (lambda_of(other) - lambda);
        if (!(sign * end < sign * best)) {
            if (std::isfinite(best)) break; // it has one minimum
            continue;
        }
        best = end;
    }
    return best;
}

} // namespace

Frame frame_of(std::span<const Part> parts, int tilt)
{
    Frame frame{.tilt = tilt, .step = parts.front().spectra->pmf().step};
    frame.theta = lambda_of(tilt) * frame.step;
    double variance = 0.0, lowest = 0.0, highest = 0.0, log_finite = 0.0;
    for (const auto& part : parts) {
        const LossPmf& pmf = part.spectra->pmf();
        const Tilted tilted = part.spectra->tilted(tilt);
        const auto steps = static_cast<double>(part.steps);
        frame.base += part.steps * tilted.centre;
        frame.log_scale += steps * tilted.log_mass;
        frame.steps += steps;
        if (tilt == 0) variance += steps * part.spectra->variance();
        lowest += steps * static_cast<double>(pmf.lowest - tilted.centre);
        highest += steps
            * static_cast<double>(pmf.lowest + static_cast<std::int64_t>(pmf.mass.size()) - 1
                                  - tilted.centre);
        log_finite += steps * std::log1p(-pmf.infinite);
    }
    const double log_tail = tilt > 0 ? kLogTiltedTail : kLogPlainTail;
    const double scale = std::sqrt(-2.0 * log_tail / std::max(variance, 1e-300));
    const auto base = static_cast<double>(frame.base);
    // a cell more, since the quotient is rounded
    const double upper =
        std::min(highest, std::ceil(end_of(parts, frame, scale, 1) / frame.step - base) + 1.0);
    const double lower = std::min(
        upper, std::max(lowest, std::floor(end_of(parts, frame, scale, -1) / frame.step - base)));
    const double needed = std::min(upper - lower + 1.0, kMostCells);
    frame.cells = static_cast<std::int64_t>(needed);
    frame.rounding = 1e-12 + 3e-13 * frame.steps;
    frame.noise = 1e-14 + 1e-15 * frame.steps;
    if (!(needed < kMostCells)) return frame;
    frame.lower = static_cast<std::int64_t>(lower);
    frame.upper = static_cast<std::int64_t>(upper);
    frame.above = std::exp(std::min(0.0, log_tail + frame.log_scale - frame.theta * upper));
    frame.infinite =
        std::min(1.0, (-std::expm1(log_finite)) * (1.0 + frame.rounding) + frame.above);
    return frame;
}

} // namespace velamen::privacy
