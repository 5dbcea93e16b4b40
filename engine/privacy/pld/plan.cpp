// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every simplification here replaces an event by one that it is a post-processing of, so it can
// only raise the answer.

#include "engine/privacy/pld/plan.h"

#include <algorithm>
#include <cmath>

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Losses beyond this (sigma < 0.0023) are no protection.
constexpr double kMostLoss = 1e5;
constexpr double kLeastNoise = 1e-4;
constexpr double kSmallestSigma = 1e-6;
constexpr double kLargestSigma = 1e150; // its square is a double
// Rarer draws than this leave the doubles in the cells of a replacement.
constexpr double kLeastRate = 1e-100;

bool is_too_wide(const LossEvent& event) { return !(loss_range(event, -95.0).high <= kMostLoss); }

} // namespace

std::shared_ptr<GridLoss> Grids::get(int level, double log_mass)
{
    const std::lock_guard lock(mutex_);
    auto& kept = kept_[{level, log_mass}];
    if (!kept)
        kept = std::make_shared<GridLoss>(
            discretise(event_, std::ldexp(kFirstStep, -level), log_mass));
    return kept;
}

double Grids::width(double log_mass) const
{
    const auto range = loss_range(event_, log_mass);
    return range.high - range.low;
}

std::unique_ptr<LossEvent> sampled_event(const SubsampledGaussian& event, Neighbours relation)
{
    const double rate = event.rate.value(), sigma = event.noise.value();
    if (rate == 1.0 || sigma < kLeastNoise) return nullptr;
    const LossEvent sampled = relation == Neighbours::ReplaceOne
        ? LossEvent(ReplaceLoss{std::max(rate, kLeastRate), sigma})
        : LossEvent(SampledLoss{rate, sigma});
    return is_too_wide(sampled) ? nullptr : std::make_unique<LossEvent>(sampled);
}

void PlanBuilder::add(const Segment& segment, Neighbours relation)
{
    const auto steps = static_cast<double>(segment.steps.value());
    const double sigma = segment.event.noise.value() / distance_of(relation);
    const double squared = steps / sigma / sigma;
    all_ += squared;
    log_same_ += steps * std::log1p(-segment.event.rate.value());
    if (const auto sampled = sampled_event(segment.event, relation))
        add_sampled(*sampled, steps);
    else
        pooled_ += squared;
}

void PlanBuilder::add(const CappedLoss& event, Steps steps)
{
    const auto count = static_cast<double>(steps.value());
    const double mu = 4.0 / event.sigma, squared = count * mu * mu; // a replacement at sigma / 2
    all_ += squared;
    log_same_ += count * std::log1p(-event.rate);
    if (event.sigma < 2.0 * kLeastNoise || is_too_wide(event))
        pooled_ += squared;
    else
        add_sampled(event, count);
}

void PlanBuilder::add(const LaplaceLoss& event, Steps steps)
{
    const auto count = static_cast<double>(steps.value());
    log_same_ -= count * 0.5 * event.bound;
    has_others_ = true;
    is_unprotected_ = is_unprotected_ || is_too_wide(event);
    add_sampled(event, count);
}

void PlanBuilder::add(const GuaranteeLoss& event, Steps steps)
{
    log_same_ = -kInfinity;
    has_others_ = true;
    is_unprotected_ = is_unprotected_ || is_too_wide(event);
    add_sampled(event, static_cast<double>(steps.value()));
}

void PlanBuilder::add_sampled(const LossEvent& event, double steps)
{
    steps_ += steps;
    const auto same = std::find_if(sampled_.begin(), sampled_.end(),
                                   [&](const auto& kept) { return kept.first == event; });
    if (same != sampled_.end())
        same->second += steps;
    else
        sampled_.emplace_back(event, steps);
}

Plan PlanBuilder::finish() const
{
    Plan plan;
    plan.log_same = log_same_;
    const bool is_pool_large = !(pooled_ < 1.0 / (kSmallestSigma * kSmallestSigma));
    if (is_unprotected_ || (is_pool_large && has_others_)) {
        plan.gaussian_sigma = 0.0;
        return plan;
    }
    if (sampled_.empty() || is_pool_large) {
        plan.gaussian_sigma = std::min(1.0 / std::sqrt(all_), kLargestSigma);
        return plan;
    }
    plan.steps = steps_;
    if (plan.is_too_long()) return plan;
    for (const auto& [event, steps] : sampled_)
        plan.sources.push_back({std::make_shared<Grids>(event), static_cast<std::int64_t>(steps)});
    if (pooled_ > 0.0)
        plan.sources.push_back(
            {std::make_shared<Grids>(SampledLoss{1.0, 1.0 / std::sqrt(pooled_)}), 1});
    return plan;
}

Plan make_plan(std::span<const Segment> segments, Neighbours relation)
{
    PlanBuilder builder;
    for (const auto& segment : segments)
        builder.add(segment, relation);
    return builder.finish();
}

} // namespace velamen::privacy
