// SPDX-License-Identifier: GPL-3.0-or-later
//
// Divergences and guarantees in closed form.

#include "engine/privacy/mechanisms.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "engine/privacy/checked.h"
#include "engine/privacy/renyi.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// log(x) / (x - 1), continued at 1.
double log_ratio(double x)
{
    const double y = x - 1.0;
    return std::abs(y) < 1e-8 ? 1.0 - 0.5 * y : std::log(x) / y;
}

/// Mean of the truncated negative binomial with this success probability (arXiv 2110.03620,
/// definition 1).
double mean_of_repeats(double gamma, double shape)
{
    if (shape == 1.0) return 1.0 / gamma;
    const double y = shape * std::log(gamma);
    const double slope = std::abs(y) < 1e-8 ? 1.0 + 0.5 * y : std::expm1(y) / y;
    return 1.0 / (gamma * slope * log_ratio(gamma));
}

/// The success probability with at least this mean; smaller ones only raise the divergence.
double gamma_of(const Repeats& repeats)
{
    if (repeats.shape == 1.0) return 1.0 / repeats.mean;
    double low = 0.0, high = 1.0;
    for (int i = 0; i < 200 && high > low * (1.0 + 1e-12); ++i) {
        const double middle = low > 0.0 ? std::sqrt(low * high) : high / 1024.0;
        if (!(middle > 0.0)) break;
        (mean_of_repeats(middle, repeats.shape) < repeats.mean ? high : low) = middle;
    }
    return low;
}

/// Theorems 2 and 6: the divergence of order alpha of the best run from that of one run, `own`, and
/// from those of the common orders.
double best_of(double own, double alpha, std::span<const double> one, const Repeats& repeats)
{
    const auto orders = renyi_orders();
    const double chosen = std::log(repeats.mean) / (alpha - 1.0);
    if (repeats.shape == kInfinity) { // theorem 6
        const double epsilon = std::log1p(1.0 / (alpha - 1.0));
        double log_delta = 0.0;
        for (std::size_t j = 0; j < orders.size(); ++j)
            log_delta = std::min(log_delta, renyi_log_delta(one[j], orders[j], epsilon));
        return own + repeats.mean * std::exp(log_delta) + chosen;
    }
    const double log_gamma = std::log(gamma_of(repeats)); // theorem 2, with the best second order
    double second = kInfinity;
    for (std::size_t j = 0; j < orders.size(); ++j)
        second = std::min(second, (1.0 - 1.0 / orders[j]) * one[j] - log_gamma / orders[j]);
    return own + (1.0 + repeats.shape) * second + chosen;
}

} // namespace

double laplace_rdp(NoiseMultiplier scale, double alpha)
{
    if (!(alpha > 1.0) || !std::isfinite(alpha)) return kInfinity;
    const double l = 1.0 / scale.value();
    if (!std::isfinite(l)) return kInfinity;
    const double part = (alpha - 1.0) / (2.0 * alpha - 1.0) * std::expm1((1.0 - 2.0 * alpha) * l);
    const double exact = l + std::log1p(part) / (alpha - 1.0) + 1e-15 * l;
    return std::min({l, exact, 0.5 * alpha * l * l}); // the last one where digits are lost
}

Result<> check_repeats(const Repeats& repeats)
{
    if (repeats.mean >= 1.0 && std::isfinite(repeats.mean) && repeats.shape >= 0.0) return {};
    return fail(ErrorCode::InvalidArgument,
                "the number of runs needs a mean of at least 1 and a shape of at least 0",
                "choose for instance 10 runs on average with shape 1");
}

double best_of_runs_rdp(const BestOfRuns& event, double alpha, Neighbours relation)
{
    if (!(alpha > 1.0) || !std::isfinite(alpha) || !check_repeats(event.repeats)) return kInfinity;
    const auto orders = renyi_orders();
    std::vector<double> one(orders.size());
    for (std::size_t i = 0; i < orders.size(); ++i)
        one[i] = rdp_of(event.step, event.steps, orders[i], relation);
    return best_of(rdp_of(event.step, event.steps, alpha, relation), alpha, one, event.repeats);
}

Result<RdpBound> best_of_runs_epsilon(std::span<const Segment> run, const Repeats& repeats,
                                      Delta delta, Neighbours relation)
{
    VELAMEN_TRY(check_repeats(repeats));
    const auto orders = renyi_orders();
    std::vector<double> one(orders.size()), all(orders.size());
    for (std::size_t i = 0; i < orders.size(); ++i)
        for (const auto& segment : run)
            one[i] += rdp_of(segment.event, segment.steps, orders[i], relation);
    for (std::size_t i = 0; i < orders.size(); ++i)
        all[i] = best_of(one[i], orders[i], one, repeats);
    for (std::size_t i = orders.size() - 1; i-- > 0;) // a divergence never falls with its order
        all[i] = std::min(all[i], all[i + 1]);
    return best_order(all, delta.value());
}

double group_delta(Epsilon epsilon, double delta, std::int64_t units)
{
    if (!(delta >= 0.0 && delta <= 1.0) || units < 1) return 1.0;
    if (delta == 0.0) return 0.0;
    const double e = epsilon.value(), k = static_cast<double>(units);
    // (e^(ke) - 1) / (e^e - 1) = e^((k-1) e) (1 - e^(-ke)) / (1 - e^-e)
    const double log_factor = e == 0.0 || units == 1
        ? std::log(k)
        : (k - 1.0) * e + std::log(std::expm1(-k * e) / std::expm1(-e));
    return std::min(1.0, std::exp(std::log(delta) + log_factor) * (1.0 + 1e-14));
}

Result<Epsilon> group_epsilon(std::span<const Segment> segments, Delta delta, std::int64_t units,
                              Neighbours relation)
{
    if (units < 1)
        return fail(ErrorCode::InvalidArgument, "a group has at least one unit",
                    "give the largest number of units that belong together");
    if (units == 1) return pld_epsilon(segments, delta, relation);
    VELAMEN_TRY(pld_epsilon(segments, delta, relation)); // refuses what is too small
    const auto at = [&](double log_delta) -> Result<std::optional<Epsilon>> {
        const double one = std::exp(log_delta);
        VELAMEN_ASSIGN(const Epsilon epsilon, pld_epsilon(segments, checked<Delta>(one), relation));
        if (!(group_delta(epsilon, one, units) <= delta.value())) return std::nullopt;
        return epsilon;
    };
    double good = std::log(1e-12 * (1.0 + 1e-9)), bad = std::log(delta.value());
    VELAMEN_ASSIGN(std::optional<Epsilon> best, at(good));
    if (!best) return checked<Epsilon>(kInfinity);
    while (bad - good > 1e-4) {
        const double middle = 0.5 * (good + bad);
        VELAMEN_ASSIGN(const std::optional<Epsilon> found, at(middle));
        if (found) best = std::min(*best, *found);
        (found ? good : bad) = middle;
    }
    return checked<Epsilon>(best->value() * static_cast<double>(units) * (1.0 + 1e-15));
}

} // namespace velamen::privacy
