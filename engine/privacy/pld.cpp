// SPDX-License-Identifier: GPL-3.0-or-later
//
// The public questions to the privacy loss distribution. What is out of its reach gets the Renyi
// bound.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/privacy/accountant.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/pld/refine.h"

namespace velamen::privacy {
namespace {

Result<Epsilon> bounded_epsilon(const Plan& plan, std::span<const Segment> segments, Delta delta,
                                Neighbours relation)
{
    VELAMEN_ASSIGN(const std::optional<double> epsilon, epsilon_of(plan, delta));
    if (epsilon && std::isfinite(*epsilon)) return checked<Epsilon>(*epsilon);
    return rdp_epsilon(segments, delta, relation).epsilon; // infinite where that is the truth
}

/// Smallest of a grid of delta with Renyi epsilon at most `epsilon`.
double rdp_delta(std::span<const Segment> segments, Epsilon epsilon, Neighbours relation)
{
    double low = std::log(1e-12), high = 0.0;
    while (high - low > 1e-3) {
        const double middle = 0.5 * (low + high);
        const auto bound = rdp_epsilon(segments, checked<Delta>(std::exp(middle)), relation);
        (bound.epsilon <= epsilon ? high : low) = middle;
    }
    return std::exp(high);
}

} // namespace

Result<Epsilon> pld_epsilon(std::span<const Segment> segments, Delta delta, Neighbours relation)
{
    return bounded_epsilon(make_plan(segments, relation), segments, delta, relation);
}

Result<double> pld_delta(std::span<const Segment> segments, Epsilon epsilon, Neighbours relation)
{
    if (segments.empty()) return 0.0;
    VELAMEN_ASSIGN(const std::optional<double> delta,
                   delta_of(make_plan(segments, relation), epsilon));
    return delta ? *delta : rdp_delta(segments, epsilon, relation);
}

struct PldCurve::State {
    SubsampledGaussian event;
    Neighbours relation;
    std::shared_ptr<Grids> grids; ///< none where the steps are one Gaussian

    Plan plan(Steps steps) const
    {
        const auto count = static_cast<double>(steps.value());
        Plan plan;
        plan.log_same = count * std::log1p(-event.rate.value());
        if (grids == nullptr) {
            plan.gaussian_sigma = event.noise.value() / distance_of(relation) / std::sqrt(count);
            return plan;
        }
        plan.steps = count;
        plan.sources.push_back({grids, steps.value()});
        return plan;
    }
};

PldCurve::PldCurve(std::unique_ptr<State> state) : state_(std::move(state)) {}
PldCurve::~PldCurve() = default;
PldCurve::PldCurve(PldCurve&&) noexcept = default;
PldCurve& PldCurve::operator=(PldCurve&&) noexcept = default;

Result<PldCurve> PldCurve::create(const SubsampledGaussian& event, Neighbours relation)
{
    auto state = std::make_unique<State>(State{event, relation, nullptr});
    if (const auto sampled = sampled_event(event, relation))
        state->grids = std::make_shared<Grids>(*sampled);
    return PldCurve(std::move(state));
}

Result<Epsilon> PldCurve::epsilon_after(Steps steps, Delta delta) const
{
    const Segment segment{state_->event, steps};
    return bounded_epsilon(state_->plan(steps), {&segment, 1}, delta, state_->relation);
}

Result<double> PldCurve::true_positive_rate(Steps steps, double false_positive_rate) const
{
    if (!(false_positive_rate >= 0.0 && false_positive_rate <= 1.0))
        return fail(ErrorCode::InvalidArgument, "a false-positive rate lies between 0 and 1",
                    "choose for instance 0.01");
    VELAMEN_ASSIGN(const std::optional<double> power,
                   power_of(state_->plan(steps), false_positive_rate));
    if (power) return *power;
    const Segment segment{state_->event, steps};
    double best = 1.0;
    for (const double delta : {1e-2, 1e-3, 1e-4, 1e-6, 1e-8}) { // TPR <= e^epsilon FPR + delta
        const auto bound = rdp_epsilon({&segment, 1}, checked<Delta>(delta), state_->relation);
        best = std::min(best, delta + false_positive_rate * std::exp(bound.epsilon.value()));
    }
    return best;
}

} // namespace velamen::privacy
