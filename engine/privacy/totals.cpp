// SPDX-License-Identifier: GPL-3.0-or-later
//
// Totals over runs and the filter of a ceiling. Roundings go towards more being spent.

#include "engine/privacy/totals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "engine/io/json.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/ledger_line.h"
#include "engine/privacy/mechanisms.h"
#include "engine/privacy/overloaded.h"

namespace velamen::privacy {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Of a ceiling's delta, for events that may fail altogether.
constexpr double kFailureShare = 1e-6;
/// More than the round-off of the sums below, relative to their largest part.
constexpr double kSlack = 1e-12;
constexpr double kMaxOrder = 1024.0;
/// Beyond this doubles no longer count single steps.
constexpr double kManySteps = 1e15;
constexpr std::int64_t kMaxImages = 1'000'000;

/// What epsilon adds to the divergence r of order alpha: epsilon = r + offset.
double offset_of(Delta delta, double alpha)
{
    return std::log1p(-1.0 / alpha) - (std::log(delta.value()) + std::log(alpha)) / (alpha - 1.0);
}

/// The largest r with r + offset <= epsilon, rounded down.
double budget_of(Epsilon epsilon, Delta delta, double alpha)
{
    const double offset = offset_of(delta, alpha);
    return epsilon.value() - offset - kSlack * (epsilon.value() + std::abs(offset));
}

std::vector<double> declarable_orders()
{
    std::vector<double> orders;
    for (int i = 11; i <= 19; ++i)
        orders.push_back(i / 10.0);
    for (int i = 2; i <= 64; ++i)
        orders.push_back(i);
    for (int i : {128, 256, 512, 1024})
        orders.push_back(i);
    return orders;
}

Result<> check_claim(const Claim& claim)
{
    if (!is_plain_name(claim.unit))
        return fail(ErrorCode::InvalidArgument,
                    "the unit of a total must be 1 to 64 letters, digits, \"_\" or \"-\"",
                    "use image or patient");
    // Events are accounted for a unit that is blanked or missing; replacing it costs more.
    VELAMEN_TRY(neighbours_of(name_of(claim.neighbours)));
    if (claim.images_per_unit
        && (*claim.images_per_unit < 1 || *claim.images_per_unit > kMaxImages))
        return fail(ErrorCode::InvalidArgument,
                    "a unit has 1 to 1000000 images, not " + std::to_string(*claim.images_per_unit),
                    "give the most images that one " + claim.unit + " has, as a public number");
    return {};
}

/// The smallest epsilon over the orders that can be declared.
RdpBound best_bound(const std::vector<std::pair<Charge, std::int64_t>>& sums, Delta delta)
{
    RdpBound best{checked<Epsilon>(kInfinity), kMaxOrder, true};
    const std::vector<double> orders = declarable_orders();
    for (const double order : orders) {
        double r = 0.0, failure = 0.0;
        for (const auto& [charge, times] : sums) {
            const RenyiPart part = renyi_of(charge, order);
            r += part.divergence * static_cast<double>(times);
            failure += part.failure * static_cast<double>(times) * (1.0 + kSlack);
        }
        const auto left = Delta::create(delta.value() - failure);
        if (!left) continue;
        const double epsilon = (r + offset_of(*left, order)) * (1.0 + kSlack);
        if (std::isnan(epsilon) || epsilon >= best.epsilon.value()) continue;
        best = {checked<Epsilon>(std::max(0.0, epsilon)), order,
                order == orders.front() || order == orders.back()};
    }
    return best;
}

/// The noise relative to `size` times the sensitivity, rounded down. A multiplier below the
/// smallest double would be none at all: that is not private either way.
NoiseMultiplier less_noise(NoiseMultiplier noise, double size)
{
    return checked<NoiseMultiplier>(
        std::max(noise.value() / size * (1.0 - kSlack), std::numeric_limits<double>::denorm_min()));
}

/// Group privacy of everything together: some k * e with delta(e) * (1 + e^e + ... + e^((k-1) e))
/// <= delta, as small as a search finds it; any such e is valid. Infinity when none is found.
Result<double> group_epsilon(std::span<const Spending> images, std::int64_t k, double delta)
{
    const auto size = static_cast<double>(k);
    const auto holds = [&](double e) -> Result<bool> {
        VELAMEN_ASSIGN(const double one, composed_delta(images, checked<Epsilon>(e)));
        // In logarithms; expm1(k e) / expm1(e) is at most k e^((k-1) e).
        return std::log(one) + std::log(size) + (size - 1.0) * e <= std::log(delta) - kSlack;
    };
    constexpr double kTooLarge = 1e3; // says nothing any more
    double low = 0.0, high = 1.0 / 64.0;
    for (;; low = high, high *= 2.0) {
        if (high > kTooLarge) return kInfinity;
        VELAMEN_ASSIGN(const bool is_enough, holds(high));
        if (is_enough) break;
    }
    constexpr double kNothing = 1e-6; // nor is anything gained below
    while (high - low > 0.01 * high && high > kNothing) {
        const double middle = 0.5 * (low + high);
        VELAMEN_ASSIGN(const bool is_enough, holds(middle));
        (is_enough ? high : low) = middle;
    }
    return size * high * (1.0 + kSlack);
}

} // namespace

Result<Charge> charge_of(const LedgerEntry& entry, const Claim& claim)
{
    VELAMEN_TRY(check_claim(claim));
    VELAMEN_ASSIGN(const Event event, event_of(entry.event));
    if (claim.neighbours == Neighbours::AddRemove && entry.neighbours == Neighbours::ZeroOut)
        return fail(ErrorCode::Refused,
                    "a zero_out event has no place in an add_remove total: its run treated the "
                    "number of units as public",
                    "ask for the total under zero_out");
    if (entry.unit == claim.unit) return Charge{event};
    if (entry.unit != "image")
        return fail(ErrorCode::Refused,
                    "a " + entry.unit + " event has no place in a total per " + claim.unit
                        + ": a bound on a whole " + entry.unit + " says nothing of a part of it",
                    "ask for the total per " + entry.unit);
    if (!claim.images_per_unit)
        return fail(ErrorCode::Refused,
                    "an image event enters a total per " + claim.unit
                        + " only by group privacy, which needs the most images of one "
                        + claim.unit,
                    "give that number, if it may be public, or ask for the total per image");
    if (std::holds_alternative<CappedGaussian>(event) && *claim.images_per_unit > 1)
        return fail(ErrorCode::Refused,
                    "steps with a cap on the draw have no place in a total per " + claim.unit
                        + ": group privacy is not known for them",
                    "ask for the total per image");
    return Charge{event, *claim.images_per_unit};
}

SubsampledGaussian dominating(const SubsampledGaussian& event, std::int64_t group)
{
    if (group <= 1) return event;
    const auto size = static_cast<double>(group);
    const double q = event.rate.value();
    const double rate =
        q == 1.0 ? 1.0 : std::min(1.0, -std::expm1(size * std::log1p(-q)) * (1.0 + kSlack));
    return {checked<SamplingRate>(rate), less_noise(event.noise, size)};
}

Event dominating(const Charge& charge)
{
    if (charge.group <= 1) return charge.event;
    const auto size = static_cast<double>(charge.group);
    const auto step = [&](const SubsampledGaussian& e) { return dominating(e, charge.group); };
    return std::visit(
        Overloaded{
            [&](const SubsampledGaussian& e) { return Event(step(e)); },
            [&](const SubsampledDiscreteGaussian& e) {
                return Event(SubsampledDiscreteGaussian{step(e.step)});
            },
            [&](const CappedGaussian&) { // charge_of() makes none; nothing is known of it
                return Event(Guarantee{checked<Epsilon>(kInfinity), 1.0});
            },
            [&](const LaplaceNoise& e) { return Event(LaplaceNoise{less_noise(e.scale, size)}); },
            [&](const Guarantee& e) {
                return Event(Guarantee{checked<Epsilon>(e.epsilon.value() * size * (1.0 + kSlack)),
                                       group_delta(e.epsilon, e.delta, charge.group)});
            },
            [&](const BestOfRuns& e) {
                return Event(BestOfRuns{step(e.step), e.steps, e.repeats});
            },
        },
        charge.event);
}

RenyiPart renyi_of(const Charge& charge, double alpha)
{
    RenyiPart direct = renyi_of(dominating(charge), alpha);
    if (charge.group <= 1 || !(alpha >= 2.0)) return direct;
    double order = alpha, factor = 1.0;
    for (std::int64_t size = 1; size < charge.group; size *= 2, order *= 2.0)
        factor *= 3.0;
    constexpr double kCostly = 1e5; // beyond this it is never the smaller one
    const bool is_step = std::holds_alternative<SubsampledGaussian>(charge.event)
        || std::holds_alternative<SubsampledDiscreteGaussian>(charge.event);
    if (order > kCostly || !is_step) return direct;
    const double own = renyi_of(charge.event, order).divergence;
    direct.divergence = std::min(direct.divergence, factor * own * (1.0 + kSlack));
    return direct;
}

std::vector<Share> shares_of(std::span<const LedgerEntry> entries)
{
    std::vector<Share> shares;
    std::vector<std::set<std::string_view>> runs;
    for (const LedgerEntry& entry : entries) {
        const auto known = std::ranges::find_if(shares, [&](const Share& share) {
            return share.unit == entry.unit && share.neighbours == entry.neighbours;
        });
        const auto at = static_cast<std::size_t>(known - shares.begin());
        if (known == shares.end()) {
            shares.push_back({.unit = entry.unit, .neighbours = entry.neighbours});
            runs.emplace_back();
        }
        ++shares[at].lines;
        const bool is_training = std::holds_alternative<TrainingSteps>(entry.event);
        (is_training ? shares[at].steps : shares[at].releases) += times_of(entry.event);
        runs[at].insert(entry.run);
        shares[at].runs = static_cast<std::int64_t>(runs[at].size());
    }
    return shares;
}

Result<Total> total_of(std::span<const LedgerEntry> entries, const Claim& claim, Delta delta)
{
    VELAMEN_TRY(check_claim(claim));
    std::vector<std::pair<Charge, std::int64_t>> charges;
    std::set<std::string_view> runs;
    Total total{.steps = 0,
                .releases = 0,
                .runs = 0,
                .epsilon = Epsilon::literal(0.0),
                .rdp = rdp_epsilon({}, delta)};
    for (const LedgerEntry& entry : entries) {
        const auto charge = charge_of(entry, claim);
        if (!charge)
            return fail(charge.error().code,
                        "no total: ledger line " + std::to_string(entry.seq + 1) + ": "
                            + charge.error().message,
                        charge.error().hint);
        const std::int64_t times = times_of(entry.event);
        VELAMEN_TRY(Steps::create(times));
        const auto known =
            std::ranges::find(charges, *charge, &std::pair<Charge, std::int64_t>::first);
        if (known == charges.end())
            charges.emplace_back(*charge, times);
        else
            known->second += times;
        const bool is_training = std::holds_alternative<TrainingSteps>(entry.event);
        (is_training ? total.steps : total.releases) += times;
        runs.insert(entry.run);
    }
    total.runs = static_cast<std::int64_t>(runs.size());
    if (charges.empty()) return total;

    std::vector<Spending> all, own, images;
    std::int64_t group = 1;
    for (const auto& [charge, count] : charges) {
        const Steps times = checked<Steps>(count);
        all.push_back({dominating(charge), times});
        (charge.group > 1 ? images : own).push_back({charge.event, times});
        group = std::max(group, charge.group);
    }
    VELAMEN_ASSIGN(const Bound bound, bound_of(all, delta));
    total.epsilon = bound.epsilon;
    total.rdp = bound.rdp;
    total.is_renyi_only = bound.is_renyi_only;
    if (images.empty()) return total;

    if (const RdpBound other = best_bound(charges, delta); other.epsilon < total.rdp.epsilon) {
        total.rdp = other;
        if (bound.is_renyi_only) total.epsilon = other.epsilon;
    }
    if (bound.is_renyi_only) return total;
    const double share = own.empty() ? delta.value() : 0.5 * delta.value();
    VELAMEN_ASSIGN(double epsilon, group_epsilon(images, group, share));
    if (!own.empty()) {
        VELAMEN_ASSIGN(const Delta half, Delta::create(share));
        VELAMEN_ASSIGN(const Epsilon rest, composed_epsilon(own, half));
        epsilon += rest.value();
    }
    if (epsilon < total.epsilon.value()) total.epsilon = checked<Epsilon>(epsilon);
    return total;
}

Result<RdpFilter> RdpFilter::create(const Ceiling& ceiling)
{
    VELAMEN_TRY(check_claim(ceiling.claim));
    const double epsilon = ceiling.epsilon.value();
    if (!(epsilon > 0.0) || !std::isfinite(epsilon))
        return fail(ErrorCode::InvalidArgument,
                    "the epsilon of a ceiling is a number above 0, not " + io::Json(epsilon).dump(),
                    "give what all runs together may spend");
    if (!(ceiling.order > 1.0) || !(ceiling.order <= kMaxOrder))
        return fail(ErrorCode::InvalidArgument,
                    "the order of a ceiling is above 1 and at most 1024, not "
                        + io::Json(ceiling.order).dump(),
                    "give an order like 8");
    const auto delta = checked<Delta>(ceiling.delta.value() * (1.0 - kFailureShare));
    const double budget = budget_of(ceiling.epsilon, delta, ceiling.order);
    if (budget > 0.0) return RdpFilter(ceiling, budget);
    std::string hint = "allow a larger epsilon or delta";
    for (const double order : declarable_orders())
        if (order > ceiling.order && budget_of(ceiling.epsilon, delta, order) > 0.0) {
            hint = "use an order of at least " + io::Json(order).dump();
            break;
        }
    return fail(ErrorCode::InvalidArgument,
                "at order " + io::Json(ceiling.order).dump() + " nothing fits below epsilon "
                    + io::Json(epsilon).dump() + " and delta "
                    + io::Json(ceiling.delta.value()).dump(),
                hint);
}

const RdpFilter::Sum* RdpFilter::find(const Charge& charge) const
{
    const auto known = std::ranges::find(sums_, charge, &Sum::charge);
    return known == sums_.end() ? nullptr : &*known;
}

Result<> RdpFilter::add(const LedgerEntry& entry)
{
    VELAMEN_ASSIGN(const Charge charge, charge_of(entry, ceiling_.claim));
    VELAMEN_ASSIGN(const Steps times, Steps::create(times_of(entry.event)));
    if (find(charge) == nullptr) sums_.push_back({charge, renyi_of(charge, ceiling_.order), 0});
    std::ranges::find(sums_, charge, &Sum::charge)->times += times.value();
    return {};
}

Result<std::int64_t> RdpFilter::room(const LedgerEntry& entry) const
{
    VELAMEN_ASSIGN(const Charge charge, charge_of(entry, ceiling_.claim));
    const Sum* known = find(charge);
    const RenyiPart each = known != nullptr ? known->each : renyi_of(charge, ceiling_.order);
    const double failures = kFailureShare * ceiling_.delta.value();
    double guess = std::min(kManySteps, std::floor((budget_ - with(0.0, 0)) / each.divergence));
    if (each.failure > 0.0)
        guess = std::min(guess, std::floor((failures - failure_with(0.0, 0)) / each.failure));
    if (std::isnan(guess) || guess < 1.0) return 0;
    // The quotients are rounded: what they give is checked against the sums themselves.
    auto times = static_cast<std::int64_t>(guess);
    while (
        times > 0
        && (with(each.divergence, times) > budget_ || failure_with(each.failure, times) > failures))
        times -= std::max<std::int64_t>(1, times / 1'000'000'000);
    return times;
}

double RdpFilter::with(double each, std::int64_t times) const
{
    double total = times > 0 ? each * static_cast<double>(times) : 0.0;
    for (const Sum& sum : sums_)
        total += sum.each.divergence * static_cast<double>(sum.times);
    return total * (1.0 + kSlack);
}

double RdpFilter::failure_with(double each, std::int64_t times) const
{
    double total = times > 0 ? each * static_cast<double>(times) : 0.0;
    for (const Sum& sum : sums_)
        total += sum.each.failure * static_cast<double>(sum.times);
    return total * (1.0 + kSlack);
}

bool RdpFilter::is_passed() const
{
    return spent() > budget_ || failure_with(0.0, 0) > kFailureShare * ceiling_.delta.value();
}

double RdpFilter::spent() const { return with(0.0, 0); }

Epsilon RdpFilter::spent_epsilon() const
{
    if (sums_.empty()) return Epsilon::literal(0.0);
    const auto left = Delta::create(ceiling_.delta.value() - failure_with(0.0, 0));
    if (!left) return checked<Epsilon>(kInfinity);
    const double epsilon = spent() + offset_of(*left, ceiling_.order);
    return checked<Epsilon>(std::isfinite(epsilon) ? std::max(0.0, epsilon) : kInfinity);
}

Result<double> best_order(const Charge& charge, Epsilon epsilon, Delta delta)
{
    double best = 0.0, most = 0.0;
    for (const double order : declarable_orders()) {
        const double steps = budget_of(epsilon, delta, order) / renyi_of(charge, order).divergence;
        if (!(steps > most)) continue;
        most = steps;
        best = order;
    }
    if (most >= 1.0) return best;
    return fail(ErrorCode::Refused,
                "not one such step fits below epsilon " + io::Json(epsilon.value()).dump(),
                "allow a larger epsilon, or add more noise");
}

} // namespace velamen::privacy
