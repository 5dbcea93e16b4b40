// SPDX-License-Identifier: GPL-3.0-or-later
//
// Renyi accounting of the Poisson-subsampled Gaussian: Mironov, Talwar, Zhang, arXiv 1908.10530,
// section 3.3, with the signs of the generalised binomials; conversion of Canonne, Kamath, Steinke,
// arXiv 2004.00010, proposition 12. Instant, looser than the PLD, and independent of it.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

#include "engine/privacy/accountant.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/normal.h"
#include "engine/privacy/renyi.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double log_add(double a, double b)
{
    if (a < b) std::swap(a, b);
    if (b == -kInfinity || a == kInfinity) return a;
    return a + std::log1p(std::exp(b - a));
}

double log_expm1(double y) { return y > 40.0 ? y : std::log(std::expm1(y)); }

double log_erfc(double x) { return std::numbers::ln2 + log_ndtr(-x * std::numbers::sqrt2); }

// log A_alpha for an integer order: A - 1 is summed, so that tiny divergences keep their digits.
double log_a_integer(double q, double sigma, int alpha)
{
    if (alpha <= 1) return 0.0;
    const double log_q = std::log(q), log_rest = std::log1p(-q);
    double log_binomial = std::log(alpha), total = -kInfinity;
    for (int i = 2; i <= alpha; ++i) {
        log_binomial += std::log(alpha - i + 1) - std::log(i);
        const double exponent = 0.5 * i * (i - 1.0) / sigma / sigma;
        total =
            log_add(total, log_binomial + i * log_q + (alpha - i) * log_rest + log_expm1(exponent));
    }
    return log_add(0.0, total); // log1p(exp(total))
}

// The two signed series of a fractional order (section 3.3). The signs alternate once i > alpha, so
// what is cut off is smaller than the last terms, which are added.
std::optional<double> log_a_fractional(double q, double sigma, double alpha)
{
    constexpr int kMaxTerms = 200'000;
    const double variance = sigma * sigma;
    const double log_q = std::log(q), log_rest = std::log1p(-q);
    const double z0 = variance * (log_rest - log_q) + 0.5;
    const double scale = 1.0 / (std::numbers::sqrt2 * sigma);
    double log_binomial = 0.0, positive = -kInfinity, negative = -kInfinity;
    double rounding = -kInfinity; // log of the sum of the terms times their round-off / 1e-15
    double before0 = kInfinity, before1 = kInfinity;
    bool is_negative = false;
    for (int i = 0; i < kMaxTerms; ++i) {
        const double j = alpha - i;
        const double s0 = log_binomial + i * log_q + j * log_rest + 0.5 * i * (i - 1.0) / variance
            + log_erfc((i - z0) * scale) - std::numbers::ln2;
        const double s1 = log_binomial + j * log_q + i * log_rest + 0.5 * j * (j - 1.0) / variance
            + log_erfc((z0 - j) * scale) - std::numbers::ln2;
        if (!std::isfinite(s0 + s1) && !(s0 == -kInfinity || s1 == -kInfinity)) return std::nullopt;
        const double largest = std::max(s0, s1);
        rounding = log_add(rounding, largest + std::log(i + 4.0));
        double& sum = is_negative ? negative : positive;
        sum = log_add(sum, log_add(s0, s1));
        if (i > alpha && s0 <= before0 && s1 <= before1
            && largest < std::max(0.0, positive) - 28.0) {
            if (!(positive > negative)) return std::nullopt;
            const double total = positive + std::log1p(-std::exp(negative - positive));
            return log_add(total, largest + std::numbers::ln2)
                + 1e-15 * (1.0 + std::abs(total)) * (1.0 + std::exp(rounding - total));
        }
        before0 = s0;
        before1 = s1;
        log_binomial += std::log(std::abs(j)) - std::log(i + 1.0);
        if (j < 0.0) is_negative = !is_negative;
    }
    return std::nullopt;
}

// log A_alpha is convex in alpha, so the chord between integers is an upper bound at every order.
double log_a(double q, double sigma, double alpha)
{
    const double below = std::floor(alpha);
    if (alpha > 1e6) return kInfinity;
    const double lower = log_a_integer(q, sigma, static_cast<int>(below));
    if (below == alpha) return lower;
    const double upper = log_a_integer(q, sigma, static_cast<int>(below) + 1);
    const double chord = lower + (alpha - below) * (upper - lower);
    if (!std::isfinite(chord)) return kInfinity;
    const auto series = log_a_fractional(q, sigma, alpha);
    return series && std::isfinite(*series) && *series > 0.0 ? std::min(chord, *series) : chord;
}

// Renyi divergence of one event.
double divergence(const SubsampledGaussian& event, double alpha)
{
    // Outside of this range squares leave the doubles; less noise only raises the result.
    const double sigma = std::min(event.noise.value(), 1e100);
    if (sigma < 1e-100) return kInfinity;
    const double q = event.rate.value();
    if (q == 1.0) return 0.5 * alpha / sigma / sigma;
    return log_a(q, sigma, alpha) / (alpha - 1.0);
}

// The same when a unit is replaced. Without sampling the distance is 2; with it the way leads over
// the dataset without the unit, by proposition 11 of arXiv 1702.07476 with p = q = 2. Adding a unit
// diverges less than removing one (arXiv 1908.10530, theorem 5).
double replaced(const SubsampledGaussian& event, double alpha)
{
    const double sigma = std::min(event.noise.value(), 1e100);
    const double unsampled = sigma < 1e-100 ? kInfinity : 2.0 * alpha / sigma / sigma;
    const double over = (alpha - 0.5) / (alpha - 1.0) * divergence(event, 2.0 * alpha)
        + divergence(event, 2.0 * alpha - 1.0);
    return std::min(unsampled, over);
}

std::vector<double> make_orders()
{
    std::vector<double> orders;
    for (int i = 11; i <= 109; ++i)
        orders.push_back(i / 10.0);
    for (int i = 11; i <= 63; ++i)
        orders.push_back(i);
    for (int i : {128, 256, 512, 1024})
        orders.push_back(i);
    return orders;
}

} // namespace

std::span<const double> renyi_orders()
{
    static const std::vector<double> orders = make_orders();
    return orders;
}

double renyi_epsilon(double r, double alpha, double delta)
{
    if (delta * delta + std::expm1(-r) > 0.0) return 0.0; // total variation <= sqrt(1 - e^-KL)
    if (!std::isfinite(r)) return kInfinity;
    const double epsilon =
        r + std::log1p(-1.0 / alpha) - (std::log(delta) + std::log(alpha)) / (alpha - 1.0);
    return std::max(0.0, epsilon * (1.0 + 1e-14));
}

double renyi_log_delta(double r, double alpha, double epsilon)
{
    const double variation = 0.5 * std::log(-std::expm1(-r));
    if (!std::isfinite(r) || !std::isfinite(epsilon))
        return epsilon == kInfinity ? -kInfinity : 0.0;
    const double log_delta =
        (alpha - 1.0) * (r - epsilon + std::log1p(-1.0 / alpha)) - std::log(alpha);
    return std::min({0.0, variation, log_delta + 1e-14 * std::abs(log_delta)});
}

RdpBound best_order(std::span<const double> divergences, double delta)
{
    const auto orders = renyi_orders();
    RdpBound best{checked<Epsilon>(kInfinity), orders.back(), true};
    double smallest = kInfinity;
    for (std::size_t i = 0; i < orders.size(); ++i) {
        const double epsilon = renyi_epsilon(divergences[i], orders[i], delta);
        if (epsilon < smallest) {
            smallest = epsilon;
            best = {checked<Epsilon>(epsilon), orders[i], i == 0 || i + 1 == orders.size()};
        }
    }
    return best;
}

double rdp_of(const SubsampledGaussian& event, Steps steps, double alpha, Neighbours relation)
{
    if (!(alpha > 1.0) || !std::isfinite(alpha)) return kInfinity;
    const double one =
        relation == Neighbours::ReplaceOne ? replaced(event, alpha) : divergence(event, alpha);
    return static_cast<double>(steps.value()) * one;
}

RdpBound rdp_epsilon(std::span<const Segment> segments, Delta delta, Neighbours relation)
{
    const auto orders = renyi_orders();
    if (segments.empty()) return {checked<Epsilon>(0.0), orders.front(), false};
    std::vector<double> divergences(orders.size());
    for (std::size_t i = 0; i < orders.size(); ++i)
        for (const auto& segment : segments)
            divergences[i] += rdp_of(segment.event, segment.steps, orders[i], relation);
    constexpr double kSlack = 1e-12; // the series are right to less than that
    for (double& divergence : divergences)
        divergence *= 1.0 + kSlack;
    return best_order(divergences, delta.value());
}

} // namespace velamen::privacy
