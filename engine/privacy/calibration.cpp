// SPDX-License-Identifier: GPL-3.0-or-later
//
// Searches for the free number of a plan. Only values whose own epsilon was computed and found to
// be within the target are ever returned.

#include "engine/privacy/calibration.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "engine/privacy/accountant.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/explain.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPrecision = 1e-4;
constexpr double kLeastNoise = 1e-3;
constexpr double kMostNoise = 1e12;

using Curve = std::function<Result<double>(double log_x)>; // log x -> epsilon

double log_epsilon(double epsilon) { return std::log(std::max(epsilon, 1e-300)); }

/// Narrows [good, bad] (in log x; epsilon(good) <= target < epsilon(bad)) to `width` by false
/// position in log epsilon, where these curves are nearly straight, and halving where that is slow.
/// Returns good.
Result<double> close_in(const Curve& curve, double target, double good, double at_good, double bad,
                        double at_bad, double width)
{
    const double goal = log_epsilon(target), sign = bad > good ? 1.0 : -1.0;
    double size = std::abs(bad - good), size_before = 0.0; // two rounds ago
    for (int round = 0; round < 200 && size > width; ++round) {
        double next = 0.5 * (good + bad);
        const double rise = log_epsilon(at_bad) - log_epsilon(at_good);
        const bool is_slow = round % 2 == 0 && round > 0 && size > 0.3 * size_before;
        if (round % 2 == 0) size_before = size;
        if (!is_slow && at_good > 0.0 && std::isfinite(at_bad) && rise > 0.0) {
            // step over the root a little, so that the far side comes near
            const double part = (goal - log_epsilon(at_good)) / rise;
            const double over = std::max(0.3 * width, 0.02 * size);
            const double at = part * size + (part < 0.5 ? over : -over);
            next = good + sign * std::clamp(at, 0.1 * width, size - 0.1 * width);
        }
        VELAMEN_ASSIGN(const double value, curve(next));
        if (value <= target) {
            good = next;
            at_good = value;
        } else {
            bad = next;
            at_bad = value;
        }
        size = std::abs(bad - good);
    }
    return good;
}

tl::unexpected<Error> unreachable(const char* what, Epsilon target, const std::string& nearest)
{
    return fail(ErrorCode::Refused,
                std::string(what) + " reaches epsilon " + epsilon_text(target) + " at this delta",
                nearest);
}

Result<double> epsilon_at(double rate, double noise, Steps steps, Delta delta, Neighbours relation)
{
    VELAMEN_ASSIGN(const auto q, SamplingRate::create(rate));
    VELAMEN_ASSIGN(const auto sigma, NoiseMultiplier::create(noise));
    const Segment segment{{q, sigma}, steps};
    VELAMEN_ASSIGN(const auto epsilon, pld_epsilon({&segment, 1}, delta, relation));
    return epsilon.value();
}

} // namespace

Result<NoiseMultiplier> calibrate_noise(Epsilon target, Delta delta, SamplingRate rate, Steps steps,
                                        Neighbours relation)
{
    const Curve curve = [&](double log_noise) {
        return epsilon_at(rate.value(), std::exp(log_noise), steps, delta, relation);
    };
    double good = 0.0, bad = 0.0;
    VELAMEN_ASSIGN(double at_good, curve(0.0));
    double at_bad = at_good;
    if (at_good <= target.value()) {
        for (double factor = 2.0;; factor *= 2.0) { // less noise until the target is passed
            bad = std::max(good - std::log(factor), std::log(kLeastNoise));
            VELAMEN_ASSIGN(at_bad, curve(bad));
            if (at_bad > target.value()) break;
            if (bad <= std::log(kLeastNoise)) return NoiseMultiplier::create(kLeastNoise);
            good = bad;
            at_good = at_bad;
        }
    } else {
        for (double factor = 2.0;; factor *= 2.0) {
            good = bad + std::log(factor);
            VELAMEN_ASSIGN(at_good, curve(good));
            if (at_good <= target.value()) break;
            if (good > std::log(kMostNoise))
                return unreachable("no amount of noise", target,
                                   "the nearest is epsilon "
                                       + epsilon_text(checked<Epsilon>(at_good))
                                       + "; allow a larger epsilon or delta, or take fewer steps");
            bad = good;
            at_bad = at_good;
        }
    }
    VELAMEN_ASSIGN(const double found,
                   close_in(curve, target.value(), good, at_good, bad, at_bad, 0.9 * kPrecision));
    return NoiseMultiplier::create(std::exp(found));
}

Result<Steps> max_steps(Epsilon target, Delta delta, const SubsampledGaussian& event,
                        Neighbours relation)
{
    VELAMEN_ASSIGN(const auto curve, PldCurve::create(event, relation));
    const auto at = [&](std::int64_t steps) -> Result<double> {
        VELAMEN_ASSIGN(const auto epsilon, curve.epsilon_after(checked<Steps>(steps), delta));
        return epsilon.value();
    };
    constexpr std::int64_t kMost = std::int64_t{1} << 62;
    std::int64_t good = 1;
    VELAMEN_ASSIGN(double at_good, at(1));
    if (!(at_good <= target.value()))
        return unreachable("not even one step", target,
                           "one step spends epsilon " + epsilon_text(checked<Epsilon>(at_good))
                               + "; add noise or lower the sampling rate");
    std::int64_t bad = 2;
    double at_bad = 0.0;
    for (std::int64_t factor = 2;; factor = factor < 64 ? factor * 2 : factor) {
        bad = good > kMost / factor ? kMost : good * factor;
        VELAMEN_ASSIGN(at_bad, at(bad));
        if (at_bad > target.value()) break;
        if (bad == kMost) return Steps::create(kMost);
        good = bad;
        at_good = at_bad;
    }
    const double goal = log_epsilon(target.value());
    for (int round = 0; bad - good > 1; ++round) {
        std::int64_t next = good + (bad - good) / 2;
        const double rise = log_epsilon(at_bad) - log_epsilon(at_good);
        if (round % 4 != 3 && at_good > 0.0 && std::isfinite(at_bad) && rise > 0.0) {
            const double part = (goal - log_epsilon(at_good)) / rise;
            const double from = std::log(static_cast<double>(good));
            const double span = std::log(static_cast<double>(bad)) - from;
            next = static_cast<std::int64_t>(std::exp(from + part * span)) + (round % 2);
            next = std::min(std::max(next, good + 1), bad - 1);
        }
        VELAMEN_ASSIGN(const double value, at(next));
        if (value <= target.value()) {
            good = next;
            at_good = value;
        } else {
            bad = next;
            at_bad = value;
        }
    }
    return Steps::create(good);
}

Result<SamplingRate> max_rate(Epsilon target, Delta delta, NoiseMultiplier noise, Steps steps,
                              Neighbours relation)
{
    const Curve curve = [&](double log_rate) {
        return epsilon_at(std::min(1.0, std::exp(log_rate)), noise.value(), steps, delta, relation);
    };
    double bad = 0.0;
    VELAMEN_ASSIGN(double at_bad, curve(bad));
    if (at_bad <= target.value()) return SamplingRate::create(1.0);
    double good = 0.0, at_good = kInfinity;
    for (double factor = 4.0;; factor *= 2.0) {
        good = bad - std::log(factor);
        VELAMEN_ASSIGN(at_good, curve(good));
        if (at_good <= target.value()) break;
        if (good < std::log(1e-15))
            return unreachable("no sampling rate", target,
                               "even the rate 1e-15 spends epsilon "
                                   + epsilon_text(checked<Epsilon>(at_good))
                                   + "; add noise or take fewer steps");
        bad = good;
        at_bad = at_good;
    }
    VELAMEN_ASSIGN(const double found,
                   close_in(curve, target.value(), good, at_good, bad, at_bad, 0.9 * kPrecision));
    return SamplingRate::create(std::min(1.0, std::exp(found)));
}

} // namespace velamen::privacy
