// SPDX-License-Identifier: GPL-3.0-or-later
//
// Searches for the free number of a plan. Only values whose own epsilon was computed and found to
// be within the target are ever returned.

#include "engine/privacy/calibration.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <optional>

#include "engine/privacy/accountant.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/explain.h"
#include "engine/privacy/pld/refine.h"

namespace velamen::privacy {
namespace {

constexpr double kPrecision = 1e-4;
constexpr double kLeastNoise = 1e-3;
constexpr double kMostNoise = 1e12;
constexpr double kLeastRate = 1e-15;

using Curve = std::function<Result<double>(double log_x)>; // log x -> epsilon

double log_epsilon(double epsilon) { return std::log(std::max(epsilon, 1e-300)); }

/// Two places in log x with epsilon(good) <= target < epsilon(bad). At an end of the range both are
/// that end: a good one where even it is within the target, a bad one (at_good > target) where not.
struct Bracket {
    double good, at_good, bad, at_bad;

    double width() const { return std::abs(bad - good); }
};

/// The range of log x, and where a search starts.
struct Range {
    double good_end, bad_end, start = 0.0;
};

/// Steps from the start, twice as far each time, until the target is passed.
Result<Bracket> enclose(const Curve& curve, double target, Range range, double step)
{
    VELAMEN_ASSIGN(const double at_start, curve(range.start));
    const bool is_good = at_start <= target;
    const double end = is_good ? range.bad_end : range.good_end;
    double near = range.start, at_near = at_start;
    while (near != end) {
        const double left = end - near;
        const double far = std::abs(left) <= step ? end : near + std::copysign(step, left);
        VELAMEN_ASSIGN(const double at_far, curve(far));
        if ((at_far <= target) != is_good)
            return is_good ? Bracket{near, at_near, far, at_far}
                           : Bracket{far, at_far, near, at_near};
        near = far;
        at_near = at_far;
        step *= 2.0;
    }
    return Bracket{end, at_near, end, at_near};
}

/// Narrows a bracket to `width` by false position in log epsilon, where these curves are nearly
/// straight, and halving where that is slow.
Result<Bracket> close_in(const Curve& curve, double target, Bracket b, double width)
{
    const double goal = log_epsilon(target), sign = b.bad > b.good ? 1.0 : -1.0;
    double size = b.width(), size_before = 0.0; // two rounds ago
    for (int round = 0; round < 200 && size > width; ++round) {
        double next = 0.5 * (b.good + b.bad);
        const double rise = log_epsilon(b.at_bad) - log_epsilon(b.at_good);
        const bool is_slow = round % 2 == 0 && round > 0 && size > 0.3 * size_before;
        if (round % 2 == 0) size_before = size;
        if (!is_slow && b.at_good > 0.0 && std::isfinite(b.at_bad) && rise > 0.0) {
            // step over the root a little, so that the far side comes near
            const double part = (goal - log_epsilon(b.at_good)) / rise;
            const double over = std::max(0.3 * width, 0.02 * size);
            const double at = part * size + (part < 0.5 ? over : -over);
            next = b.good + sign * std::clamp(at, 0.1 * width, size - 0.1 * width);
        }
        VELAMEN_ASSIGN(const double value, curve(next));
        if (value <= target) {
            b.good = next;
            b.at_good = value;
        } else {
            b.bad = next;
            b.at_bad = value;
        }
        size = b.width();
    }
    return b;
}

/// Where epsilon is about `target`, by a curve that only guesses; nothing where it cannot tell.
Result<std::optional<double>> root_of(const Curve& guess, double target, Range range, double step)
{
    VELAMEN_ASSIGN(Bracket b, enclose(guess, target, range, step));
    if (!(b.at_good <= target && b.at_bad > target)) return std::nullopt;
    VELAMEN_ASSIGN(b, close_in(guess, target, b, 0.1 * kPrecision));
    return 0.5 * (b.good + b.bad);
}

/// The place where the target is just met, to kPrecision. The root is sought on guesses, moved once
/// by what they are wrong there, and then enclosed by values of the curve itself.
Result<Bracket> search(const Curve& curve, const Curve& guess, double target, Range range)
{
    constexpr double kWidth = 0.9 * kPrecision;
    double step = std::numbers::ln2;
    VELAMEN_ASSIGN(std::optional<double> root, root_of(guess, target, range, step));
    if (root) {
        range.start = *root;
        VELAMEN_ASSIGN(const double value, curve(*root));
        const double error = std::abs(log_epsilon(value) - log_epsilon(target));
        if (error < 1.0) {
            VELAMEN_ASSIGN(
                root, root_of(guess, target * (target / value), range, std::max(error, kWidth)));
        }
        if (error < 1.0 && root) {
            step = kWidth;
            range.start = *root + std::copysign(0.4 * kWidth, range.good_end - *root);
        }
    }
    VELAMEN_ASSIGN(const Bracket b, enclose(curve, target, range, step));
    return close_in(curve, target, b, kWidth);
}

tl::unexpected<Error> unreachable(const char* what, Epsilon target, const std::string& nearest)
{
    return fail(ErrorCode::Refused,
                std::string(what) + " reaches epsilon " + epsilon_text(target) + " at this delta",
                nearest);
}

Result<Segment> segment_of(double rate, double noise, Steps steps)
{
    VELAMEN_ASSIGN(const auto q, SamplingRate::create(rate));
    VELAMEN_ASSIGN(const auto sigma, NoiseMultiplier::create(noise));
    return Segment{{q, sigma}, steps};
}

Result<double> epsilon_at(double rate, double noise, Steps steps, Delta delta, Neighbours relation)
{
    VELAMEN_ASSIGN(const auto segment, segment_of(rate, noise, steps));
    VELAMEN_ASSIGN(const auto epsilon, pld_epsilon({&segment, 1}, delta, relation));
    return epsilon.value();
}

Result<double> guess_at(double rate, double noise, Steps steps, Delta delta, Neighbours relation)
{
    VELAMEN_ASSIGN(const auto segment, segment_of(rate, noise, steps));
    return guess_epsilon(make_plan({&segment, 1}, relation), delta);
}

} // namespace

Result<NoiseMultiplier> calibrate_noise(Epsilon target, Delta delta, SamplingRate rate, Steps steps,
                                        Neighbours relation)
{
    const Curve curve = [&](double log_noise) {
        return epsilon_at(rate.value(), std::exp(log_noise), steps, delta, relation);
    };
    const Curve guess = [&](double log_noise) {
        return guess_at(rate.value(), std::exp(log_noise), steps, delta, relation);
    };
    VELAMEN_ASSIGN(const Bracket found,
                   search(curve, guess, target.value(),
                          {.good_end = std::log(kMostNoise), .bad_end = std::log(kLeastNoise)}));
    if (!(found.at_good <= target.value()))
        return unreachable("no amount of noise", target,
                           "the nearest is epsilon " + epsilon_text(checked<Epsilon>(found.at_good))
                               + "; allow a larger epsilon or delta, or take fewer steps");
    return NoiseMultiplier::create(std::exp(found.good));
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
    const Curve guess = [&](double log_rate) {
        return guess_at(std::min(1.0, std::exp(log_rate)), noise.value(), steps, delta, relation);
    };
    VELAMEN_ASSIGN(
        const Bracket found,
        search(curve, guess, target.value(), {.good_end = std::log(kLeastRate), .bad_end = 0.0}));
    if (!(found.at_good <= target.value()))
        return unreachable("no sampling rate", target,
                           "even the rate 1e-15 spends epsilon "
                               + epsilon_text(checked<Epsilon>(found.at_good))
                               + "; add noise or take fewer steps");
    return SamplingRate::create(std::min(1.0, std::exp(found.good)));
}

} // namespace velamen::privacy
