// SPDX-License-Identifier: GPL-3.0-or-later
//
// Checks what comes from outside and derives the internal events and divergences from it.

#include "engine/privacy/mechanisms.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include <boost/math/special_functions/beta.hpp>

#include "engine/privacy/checked.h"
#include "engine/privacy/pld_refine.h"
#include "engine/privacy/renyi.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Relative; far more than the error of Boost's series, which are summed in long doubles.
constexpr double kTailSlack = 1e-11;

/// P[Binomial(n, q) >= k] for k >= 1, right to kTailSlack.
double binomial_tail(std::int64_t n, double q, std::int64_t k)
{
    if (k > n) return 0.0;
    if (q == 1.0) return 1.0;
    using NoThrow = boost::math::policies::policy<
        boost::math::policies::domain_error<boost::math::policies::ignore_error>,
        boost::math::policies::pole_error<boost::math::policies::ignore_error>,
        boost::math::policies::overflow_error<boost::math::policies::ignore_error>,
        boost::math::policies::evaluation_error<boost::math::policies::ignore_error>>;
    const double tail =
        boost::math::ibeta(static_cast<double>(k), static_cast<double>(n - k) + 1.0, q, NoThrow());
    return std::isfinite(tail) ? tail : 1.0;
}

/// The unit is in the draw and the others fill it with probability P[Binomial(n, q) > cap] cap / n.
LossEvent capped_loss(const CappedSegment& segment)
{
    const double q = segment.event.rate.value(), sigma = segment.event.noise.value();
    const double full = binomial_tail(segment.units - 1, q, segment.cap);
    if (full == 0.0 && segment.cap >= segment.units) return SampledLoss{q, sigma};
    const double joint = binomial_tail(segment.units, q, segment.cap + 1)
        * (static_cast<double>(segment.cap) / static_cast<double>(segment.units));
    const double rate = full > 0.0 ? joint / full * (1.0 + 3.0 * kTailSlack) : q;
    return CappedLoss{q, sigma, full, std::clamp(rate, std::min(1e-100, q), q)};
}

Result<Plan> plan_of(const Composition& all, Neighbours relation)
{
    PlanBuilder builder;
    for (const auto& segment : all.gaussian)
        builder.add(segment, relation);
    for (const auto& segment : all.laplace)
        builder.add(LaplaceLoss{distance_of(relation) / segment.scale.value()}, segment.steps);
    for (const auto& segment : all.capped) {
        if (relation != Neighbours::ZeroOut)
            return fail(ErrorCode::InvalidArgument,
                        "a capped draw is accounted for zero_out only, not for "
                            + std::string(name_of(relation)),
                        "make the number of units public, or draw without a cap");
        if (segment.units < 1 || segment.cap < 1)
            return fail(ErrorCode::InvalidArgument,
                        "a capped draw needs at least one unit and a cap of at least 1",
                        "give the public number of units and a cap above the expected draw");
        const auto loss = capped_loss(segment);
        if (const auto* capped = std::get_if<CappedLoss>(&loss))
            builder.add(*capped, segment.steps);
        else
            builder.add(Segment{segment.event, segment.steps}, relation);
    }
    for (const auto& guarantee : all.guarantees) {
        if (!(guarantee.delta >= 0.0 && guarantee.delta <= 1.0))
            return fail(ErrorCode::InvalidArgument,
                        "the delta of a guarantee lies between 0 and 1, not at "
                            + std::to_string(guarantee.delta),
                        "give 0 where epsilon alone is guaranteed");
        builder.add(GuaranteeLoss{guarantee.epsilon.value(), guarantee.delta}, guarantee.count);
    }
    return builder.finish();
}

tl::unexpected<Error> out_of_reach()
{
    return fail(ErrorCode::Unsupported,
                "these releases together are too many, or their losses too far apart, for 1 GB",
                "account for them with fewer steps, or add noise");
}

bool is_gaussian_only(const Composition& all)
{
    return all.laplace.empty() && all.capped.empty() && all.guarantees.empty();
}

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

} // namespace

Result<Epsilon> pld_epsilon(const Composition& all, Delta delta, Neighbours relation)
{
    if (is_gaussian_only(all)) return pld_epsilon(all.gaussian, delta, relation);
    VELAMEN_ASSIGN(const Plan plan, plan_of(all, relation));
    VELAMEN_ASSIGN(const std::optional<double> epsilon, epsilon_of(plan, delta));
    if (!epsilon) return out_of_reach();
    return checked<Epsilon>(*epsilon);
}

Result<double> pld_delta(const Composition& all, Epsilon epsilon, Neighbours relation)
{
    if (is_gaussian_only(all)) return pld_delta(all.gaussian, epsilon, relation);
    VELAMEN_ASSIGN(const Plan plan, plan_of(all, relation));
    VELAMEN_ASSIGN(const std::optional<double> delta, delta_of(plan, epsilon));
    if (!delta) return out_of_reach();
    return *delta;
}

double laplace_rdp(NoiseMultiplier scale, double alpha)
{
    if (!(alpha > 1.0) || !std::isfinite(alpha)) return kInfinity;
    const double l = 1.0 / scale.value();
    if (!std::isfinite(l)) return kInfinity;
    const double part = (alpha - 1.0) / (2.0 * alpha - 1.0) * std::expm1((1.0 - 2.0 * alpha) * l);
    const double exact = l + std::log1p(part) / (alpha - 1.0) + 1e-15 * l;
    return std::min({l, exact, 0.5 * alpha * l * l}); // the last one where digits are lost
}

Result<RdpBound> best_of_runs_epsilon(std::span<const Segment> run, const Repeats& repeats,
                                      Delta delta, Neighbours relation)
{
    if (!(repeats.mean >= 1.0 && std::isfinite(repeats.mean)) || !(repeats.shape >= 0.0))
        return fail(ErrorCode::InvalidArgument,
                    "the number of runs needs a mean of at least 1 and a shape of at least 0",
                    "choose for instance 10 runs on average with shape 1");
    const auto orders = renyi_orders();
    std::vector<double> one(orders.size()), all(orders.size());
    for (std::size_t i = 0; i < orders.size(); ++i)
        for (const auto& segment : run)
            one[i] += rdp_of(segment.event, segment.steps, orders[i], relation);

    const double log_mean = std::log(repeats.mean);
    if (repeats.shape == kInfinity) { // theorem 6
        for (std::size_t i = 0; i < orders.size(); ++i) {
            const double epsilon = std::log1p(1.0 / (orders[i] - 1.0));
            double log_delta = 0.0;
            for (std::size_t j = 0; j < orders.size(); ++j)
                log_delta = std::min(log_delta, renyi_log_delta(one[j], orders[j], epsilon));
            all[i] = one[i] + repeats.mean * std::exp(log_delta) + log_mean / (orders[i] - 1.0);
        }
    } else { // theorem 2, with the best second order
        const double log_gamma = std::log(gamma_of(repeats));
        double second = kInfinity;
        for (std::size_t j = 0; j < orders.size(); ++j)
            second = std::min(second, (1.0 - 1.0 / orders[j]) * one[j] - log_gamma / orders[j]);
        for (std::size_t i = 0; i < orders.size(); ++i)
            all[i] = one[i] + (1.0 + repeats.shape) * second + log_mean / (orders[i] - 1.0);
    }
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
