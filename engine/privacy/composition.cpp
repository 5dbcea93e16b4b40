// SPDX-License-Identifier: GPL-3.0-or-later
//
// Each kind of event as a privacy loss and as a Renyi divergence, and their sums.

#include "engine/privacy/composition.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include <boost/math/special_functions/beta.hpp>

#include "engine/privacy/calibration.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/explain.h"
#include "engine/privacy/mechanisms.h"
#include "engine/privacy/overloaded.h"
#include "engine/privacy/pld/refine.h"
#include "engine/privacy/renyi.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr auto kOnce = Steps::literal(1);

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
/// Nothing where the cap is never reached.
std::optional<CappedLoss> capped_loss(const CappedGaussian& event)
{
    const double q = event.step.rate.value(), sigma = event.step.noise.value();
    const double full = binomial_tail(event.units - 1, q, event.cap);
    if (full == 0.0 && event.cap >= event.units) return std::nullopt;
    const double joint = binomial_tail(event.units, q, event.cap + 1)
        * (static_cast<double>(event.cap) / static_cast<double>(event.units));
    const double rate = full > 0.0 ? joint / full * (1.0 + 3.0 * kTailSlack) : q;
    return CappedLoss{q, sigma, full, std::clamp(rate, std::min(1e-100, q), q)};
}

Result<Plan> plan_of(std::span<const Spending> all, Neighbours relation)
{
    PlanBuilder builder;
    for (const auto& [event, times] : all) {
        VELAMEN_TRY(check_event(event, relation));
        if (is_renyi_only(event))
            return fail(ErrorCode::Refused,
                        "hardened noise and the best of several runs are known by Renyi "
                        "divergences only",
                        "ask for the Renyi bound of all together");
        std::visit(Overloaded{
                       [&](const SubsampledGaussian& e) {
                           builder.add(Segment{e, times}, relation);
                       },
                       [&](const CappedGaussian& e) {
                           if (const auto loss = capped_loss(e))
                               builder.add(*loss, times);
                           else
                               builder.add(Segment{e.step, times}, relation);
                       },
                       [&](const LaplaceNoise& e) {
                           builder.add(LaplaceLoss{distance_of(relation) / e.scale.value()}, times);
                       },
                       [&](const Guarantee& e) {
                           builder.add(GuaranteeLoss{e.epsilon.value(), e.delta}, times);
                       },
                       [](const SubsampledDiscreteGaussian&) {},
                       [](const BestOfRuns&) {},
                   },
                   event);
    }
    return builder.finish();
}

tl::unexpected<Error> out_of_reach()
{
    return fail(ErrorCode::Unsupported,
                "these releases together are too many, or their losses too far apart, for 1 GB",
                "account for them with fewer steps, or add noise");
}

/// Training alone, which has answers at any length.
std::optional<std::vector<Segment>> segments_only(std::span<const Spending> all)
{
    std::vector<Segment> segments;
    for (const auto& [event, times] : all) {
        const auto* step = std::get_if<SubsampledGaussian>(&event);
        if (step == nullptr) return std::nullopt;
        segments.push_back({*step, times});
    }
    return segments;
}

/// Divergences of every order from one pmf: log of the sum over the finite losses of p e^((alpha -
/// 1) l), divided by alpha - 1, of p given that the loss is finite.
class PmfDivergence {
public:
    explicit PmfDivergence(const LossPmf& pmf)
        : given_(std::log1p(-std::min(pmf.infinite, 1.0))), failure_(pmf.infinite)
    {
        for (std::size_t k = 0; k < pmf.mass.size(); ++k) {
            if (!(pmf.mass[k] > 0.0)) continue;
            const auto cell = static_cast<double>(pmf.lowest + static_cast<std::int64_t>(k));
            losses_.push_back(cell * pmf.step);
            logs_.push_back(std::log(pmf.mass[k]));
        }
    }

    double failure() const { return failure_; }

    double at(double alpha) const
    {
        double most = -kInfinity;
        for (std::size_t k = 0; k < logs_.size(); ++k)
            most = std::max(most, logs_[k] + (alpha - 1.0) * losses_[k]);
        if (most == -kInfinity) return 0.0; // never finite: all of it is failure
        double sum = 0.0;
        for (std::size_t k = 0; k < logs_.size(); ++k) {
            const double exponent = logs_[k] + (alpha - 1.0) * losses_[k] - most;
            if (exponent > -60.0) sum += std::exp(exponent);
        }
        // Left out: less than n e^-60. n positive terms are right to n half-ulps, their exponents
        // to a few ulps.
        const double slack =
            1e-15 * static_cast<double>(logs_.size()) + 1e-14 * (std::abs(most) + 1.0);
        return std::max(0.0, (most + std::log(sum) - alpha * given_ + slack) / (alpha - 1.0));
    }

private:
    double given_, failure_;
    std::vector<double> losses_, logs_;
};

std::vector<RenyiPart> capped_parts(const CappedGaussian& event, std::span<const double> orders)
{
    std::vector<RenyiPart> parts(orders.size(), {kInfinity});
    const auto loss = capped_loss(event);
    // What lies beyond that mass fails: over 1e6 steps it is far below any delta.
    constexpr double kLogMass = -60.0, kMostCells = 4e6;
    const LossRange range = loss ? loss_range(*loss, kLogMass) : LossRange{0.0, 0.0};
    const double step = std::max(kFirstStep, (range.high - range.low) / kMostCells);
    if (loss && !(step <= kMostStep)) return parts;
    if (!loss) {
        for (std::size_t i = 0; i < orders.size(); ++i)
            parts[i].divergence = rdp_of(event.step, kOnce, orders[i]);
        return parts;
    }
    const LossPmfPair pair = discretise(*loss, step, kLogMass);
    const PmfDivergence remove(pair.remove), add(pair.add);
    for (std::size_t i = 0; i < orders.size(); ++i)
        parts[i] = {std::max(remove.at(orders[i]), add.at(orders[i])),
                    std::max(remove.failure(), add.failure())};
    return parts;
}

/// Of the pair that dominates all mechanisms with pure epsilon e: answers e^e : 1 against 1 : e^e.
double pure_divergence(double e, double alpha)
{
    if (!std::isfinite(e)) return kInfinity;
    const double exact = e
        + (std::log1p(std::exp((1.0 - 2.0 * alpha) * e)) - std::log1p(std::exp(-e)))
            / (alpha - 1.0);
    return std::min({e, exact + 1e-15 / (alpha - 1.0), 0.5 * alpha * e * e});
}

std::vector<double> orders_for(std::span<const Spending> all)
{
    const auto common = renyi_orders();
    std::vector<double> orders(common.begin(), common.end());
    const bool is_hardened = std::ranges::any_of(all, [](const Spending& spending) {
        return std::holds_alternative<SubsampledDiscreteGaussian>(spending.event);
    });
    if (is_hardened) // integers only count there: more of them, and larger ones
        for (int order = 64; order <= 4096; order += order < 128 ? 1 : order / 8)
            orders.push_back(order);
    std::ranges::sort(orders);
    orders.erase(std::unique(orders.begin(), orders.end()), orders.end());
    return orders;
}

} // namespace

Result<> check_event(const Event& event, Neighbours relation)
{
    if (const auto* capped = std::get_if<CappedGaussian>(&event)) {
        if (relation != Neighbours::ZeroOut)
            return fail(ErrorCode::InvalidArgument,
                        "a capped draw is accounted for zero_out only, not for "
                            + std::string(name_of(relation)),
                        "make the number of units public, or draw without a cap");
        if (capped->units < 1 || capped->cap < 1)
            return fail(ErrorCode::InvalidArgument,
                        "a capped draw needs at least one unit and a cap of at least 1",
                        "give the public number of units and a cap above the expected draw");
    }
    if (std::holds_alternative<SubsampledDiscreteGaussian>(event)
        && relation == Neighbours::ReplaceOne)
        return fail(ErrorCode::InvalidArgument, "hardened noise is not accounted for replace_one",
                    "ask for zero_out or add_remove");
    if (const auto* known = std::get_if<Guarantee>(&event);
        known != nullptr && !(known->delta >= 0.0 && known->delta <= 1.0))
        return fail(ErrorCode::InvalidArgument,
                    "the delta of a guarantee lies between 0 and 1, not at "
                        + std::to_string(known->delta),
                    "give 0 where epsilon alone is guaranteed");
    if (const auto* best = std::get_if<BestOfRuns>(&event))
        VELAMEN_TRY(check_repeats(best->repeats));
    return {};
}

bool is_renyi_only(const Event& event)
{
    return std::holds_alternative<SubsampledDiscreteGaussian>(event)
        || std::holds_alternative<BestOfRuns>(event);
}

std::vector<Spending> without_sampling(std::span<const Spending> all)
{
    constexpr auto kAll = SamplingRate::literal(1.0);
    const auto taken_part = [](SamplingRate rate, Steps steps) {
        const double count = rate.value() * static_cast<double>(steps.value());
        return checked<Steps>(
            std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(count * (1.0 - 1e-12)))));
    };
    std::vector<Spending> open;
    for (const auto& [event, times] : all)
        open.push_back(std::visit(
            Overloaded{
                [&](const SubsampledGaussian& e) {
                    return Spending{SubsampledGaussian{kAll, e.noise}, taken_part(e.rate, times)};
                },
                [&](const SubsampledDiscreteGaussian& e) {
                    return Spending{SubsampledDiscreteGaussian{{kAll, e.step.noise}},
                                    taken_part(e.step.rate, times)};
                },
                [&](const CappedGaussian& e) { // another one may take the freed place
                    return Spending{SubsampledGaussian{
                                        kAll, checked<NoiseMultiplier>(0.5 * e.step.noise.value())},
                                    taken_part(e.step.rate, times)};
                },
                [&](const BestOfRuns& e) {
                    return Spending{BestOfRuns{{kAll, e.step.noise},
                                               taken_part(e.step.rate, e.steps),
                                               e.repeats},
                                    times};
                },
                [&](const auto& e) {
                    return Spending{e, times};
                },
            },
            event));
    return open;
}

std::vector<Spending> spendings_of(std::span<const Segment> segments)
{
    std::vector<Spending> all;
    for (const Segment& segment : segments)
        all.push_back({segment.event, segment.steps});
    return all;
}

Result<Epsilon> composed_epsilon(std::span<const Spending> all, Delta delta, Neighbours relation)
{
    if (const auto segments = segments_only(all)) return pld_epsilon(*segments, delta, relation);
    VELAMEN_ASSIGN(const Plan plan, plan_of(all, relation));
    VELAMEN_ASSIGN(const std::optional<double> epsilon, epsilon_of(plan, delta));
    if (!epsilon) return out_of_reach();
    return checked<Epsilon>(*epsilon);
}

Result<double> composed_delta(std::span<const Spending> all, Epsilon epsilon, Neighbours relation)
{
    if (const auto segments = segments_only(all)) return pld_delta(*segments, epsilon, relation);
    VELAMEN_ASSIGN(const Plan plan, plan_of(all, relation));
    VELAMEN_ASSIGN(const std::optional<double> delta, delta_of(plan, epsilon));
    if (!delta) return out_of_reach();
    return *delta;
}

RenyiPart renyi_of(const Event& event, double alpha, Neighbours relation)
{
    if (!(alpha > 1.0) || !std::isfinite(alpha) || !check_event(event, relation))
        return {kInfinity};
    return std::visit(
        Overloaded{
            [&](const SubsampledGaussian& e) {
                return RenyiPart{rdp_of(e, kOnce, alpha, relation)};
            },
            [&](const SubsampledDiscreteGaussian& e) {
                return RenyiPart{rdp_of(e.step, kOnce, std::ceil(alpha))};
            },
            [&](const CappedGaussian& e) {
                return capped_parts(e, {&alpha, 1}).front();
            },
            [&](const LaplaceNoise& e) {
                const auto scale = NoiseMultiplier::create(e.scale.value() / distance_of(relation));
                return RenyiPart{scale ? laplace_rdp(*scale, alpha) : kInfinity};
            },
            [&](const Guarantee& e) {
                return RenyiPart{pure_divergence(e.epsilon.value(), alpha), e.delta};
            },
            [&](const BestOfRuns& e) { return RenyiPart{best_of_runs_rdp(e, alpha, relation)}; },
        },
        event);
}

namespace {

std::vector<RenyiPart> parts_of(const Event& event, std::span<const double> orders,
                                Neighbours relation)
{
    if (const auto* capped = std::get_if<CappedGaussian>(&event))
        return capped_parts(*capped, orders); // one pmf for all orders
    std::vector<RenyiPart> parts;
    for (const double order : orders)
        parts.push_back(renyi_of(event, order, relation));
    return parts;
}

/// Of all events together, rounded up.
struct RenyiSum {
    std::vector<double> divergences; // of each order
    double failure = 0.0;
};

Result<RenyiSum> renyi_sum(std::span<const Spending> all, std::span<const double> orders,
                           Neighbours relation)
{
    constexpr double kSlack = 1e-11; // the divergences are right to less than that
    RenyiSum sum{std::vector<double>(orders.size())};
    for (const auto& [event, times] : all) {
        VELAMEN_TRY(check_event(event, relation));
        const auto count = static_cast<double>(times.value());
        double most = 0.0;
        const std::vector<RenyiPart> parts = parts_of(event, orders, relation);
        for (std::size_t i = 0; i < orders.size(); ++i) {
            sum.divergences[i] += count * parts[i].divergence * (1.0 + kSlack);
            most = std::max(most, parts[i].failure);
        }
        sum.failure += count * most * (1.0 + 1e-12);
    }
    return sum;
}

} // namespace

Result<RdpBound> composed_rdp(std::span<const Spending> all, Delta delta, Neighbours relation)
{
    if (const auto segments = segments_only(all)) return rdp_epsilon(*segments, delta, relation);
    const std::vector<double> orders = orders_for(all);
    VELAMEN_ASSIGN(const RenyiSum sum, renyi_sum(all, orders, relation));
    const double left = delta.value() - sum.failure;
    RdpBound best{checked<Epsilon>(kInfinity), orders.back(), true};
    if (!(left > 0.0)) return best;
    for (std::size_t i = 0; i < orders.size(); ++i) {
        const double epsilon = renyi_epsilon(sum.divergences[i], orders[i], left);
        if (epsilon < best.epsilon.value())
            best = {checked<Epsilon>(epsilon), orders[i], i == 0 || i + 1 == orders.size()};
    }
    return best;
}

namespace {

/// The largest t with t^a f^(1-a) + (1-t)^a (1-f)^(1-a) <= e^((a-1) r) for every order a: the
/// divergence of the answers of a test is no larger than that of what it looks at.
double largest_rate(std::span<const double> orders, std::span<const double> divergences, double f)
{
    const auto is_possible = [&](double t) {
        for (std::size_t i = 0; i < orders.size(); ++i) {
            if (!std::isfinite(divergences[i])) continue;
            const double a = orders[i];
            const auto part = [a](double p, double q) {
                return p > 0.0 ? a * std::log(p) + (1.0 - a) * std::log(q) : -kInfinity;
            };
            const double one = part(t, f), other = part(1.0 - t, 1.0 - f);
            const double most = std::max(one, other);
            const double log_sum = most + std::log(std::exp(one - most) + std::exp(other - most));
            if (log_sum > (a - 1.0) * divergences[i]) return false;
        }
        return true;
    };
    double low = f, high = 1.0;
    while (high - low > 1e-6) {
        const double middle = 0.5 * (low + high);
        (is_possible(middle) ? low : high) = middle;
    }
    return high;
}

Result<double> renyi_attacker_rate(std::span<const Spending> all, double false_positive_rate)
{
    if (false_positive_rate >= 1.0) return 1.0;
    const std::vector<double> orders = orders_for(all);
    VELAMEN_ASSIGN(const RenyiSum sum, renyi_sum(all, orders, Neighbours::ZeroOut));
    // An infinite divergence everywhere leaves no condition, and so 1.
    const double rate = false_positive_rate > 0.0
        ? largest_rate(orders, sum.divergences, false_positive_rate)
        : 0.0; // f = 0: every order that is finite says that nothing is found
    const bool is_bounded =
        std::ranges::any_of(sum.divergences, [](double r) { return std::isfinite(r); });
    return is_bounded ? std::min(1.0, rate + sum.failure) : 1.0;
}

} // namespace

Result<Bound> bound_of(std::span<const Spending> all, Delta delta, Neighbours relation)
{
    VELAMEN_ASSIGN(const RdpBound rdp, composed_rdp(all, delta, relation));
    const bool is_renyi =
        std::ranges::any_of(all, [](const Spending& s) { return is_renyi_only(s.event); });
    if (is_renyi) return Bound{rdp.epsilon, rdp, true};
    VELAMEN_ASSIGN(const Epsilon epsilon, composed_epsilon(all, delta, relation));
    return Bound{epsilon, rdp, false};
}

Result<double> attacker_rate(std::span<const Spending> all, double false_positive_rate)
{
    if (!(false_positive_rate >= 0.0 && false_positive_rate <= 1.0))
        return fail(ErrorCode::InvalidArgument, "a false-positive rate lies between 0 and 1",
                    "choose for instance 0.01");
    if (all.size() == 1)
        if (const auto* step = std::get_if<SubsampledGaussian>(&all.front().event)) {
            VELAMEN_ASSIGN(const auto curve, PldCurve::create(*step));
            return curve.true_positive_rate(all.front().times, false_positive_rate);
        }
    return renyi_attacker_rate(all, false_positive_rate);
}

Result<NoiseMultiplier> calibrate_beside(std::span<const Spending> others, Epsilon target,
                                         Delta delta, SamplingRate rate, Steps steps,
                                         bool is_hardened)
{
    if (others.empty() && !is_hardened) return calibrate_noise(target, delta, rate, steps);
    std::vector<Spending> all(others.begin(), others.end());
    all.push_back({Guarantee{target, 0.0}, steps}); // its place
    const auto epsilon_at = [&](double log_noise) -> Result<Epsilon> {
        const SubsampledGaussian step{rate, checked<NoiseMultiplier>(std::exp(log_noise))};
        all.back().event = is_hardened ? Event(SubsampledDiscreteGaussian{step}) : Event(step);
        if (!is_hardened && std::ranges::none_of(others, [](const Spending& s) {
                return is_renyi_only(s.event);
            }))
            return composed_epsilon(all, delta);
        VELAMEN_ASSIGN(const RdpBound bound, composed_rdp(all, delta));
        return bound.epsilon;
    };
    constexpr double kPrecision = 1e-4, kMostNoise = 1e9, kLeastNoise = 1e-3;
    double enough = std::log(kMostNoise), little = std::log(kLeastNoise);
    VELAMEN_ASSIGN(const Epsilon least, epsilon_at(enough));
    if (least > target)
        return fail(ErrorCode::Refused,
                    "epsilon " + epsilon_text(target) + " cannot be reached, however much noise "
                        + "the steps get",
                    "the nearest is epsilon " + epsilon_text(least));
    // What the steps need alone is too little, but not by much.
    if (const auto alone = calibrate_noise(target, delta, rate, steps)) {
        little = std::max(little, std::log(alone->value()) - 2.0 * kPrecision);
        for (double more = 1.0 / 64.0; little + more < enough; more *= 2.0) {
            VELAMEN_ASSIGN(const Epsilon epsilon, epsilon_at(little + more));
            if (epsilon <= target) {
                enough = little + more;
                break;
            }
            little += more;
        }
    }
    while (enough - little > kPrecision) {
        const double middle = 0.5 * (enough + little);
        VELAMEN_ASSIGN(const Epsilon epsilon, epsilon_at(middle));
        (epsilon <= target ? enough : little) = middle;
    }
    return checked<NoiseMultiplier>(std::exp(enough));
}

} // namespace velamen::privacy
