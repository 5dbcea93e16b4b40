// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which grid a question to the privacy loss distribution is answered on, and the public functions.
// Every grid gives an upper bound, so the grid decides about tightness only: it starts at h = 1e-4
// (coarser where that would not fit into memory) and is halved until that changes the answer by
// less than 0.1 %; the change is foretold from the doubled grid, as the error falls at least
// linearly. Steps without sampling are one Gaussian and go in exactly.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <optional>

#include "engine/privacy/accountant.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/normal.h"
#include "engine/privacy/pld_compose.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSmallestDelta = 1e-12;
constexpr double kFirstStep = 1e-4;
constexpr int kCoarsest = -19; // h = 52.4
// Per direction and window; three arrays of this size and the pmfs stay far below 1 GB.
constexpr std::int64_t kUsualCells = std::int64_t{1} << 21;
constexpr std::int64_t kMostCells = std::int64_t{1} << 23;
// More steps than this are beyond the round-off of spectra; the Renyi bound answers.
constexpr double kMostSteps = 1e10;
// Losses beyond this (sigma < 0.0023) are no protection: sampling is ignored, which only raises
// them.
constexpr double kMostLoss = 1e5;
constexpr double kSmallestSigma = 1e-6;
constexpr double kLargestSigma = 1e150; // its square is a double

/// pmfs of one event by grid; level 0 is h = 1e-4, every level halves it.
class Grids {
public:
    Grids(double rate, double sigma) : rate_(rate), sigma_(sigma) {}

    std::shared_ptr<const LossPmfPair> get(int level, double log_mass)
    {
        const std::lock_guard lock(mutex_);
        auto& kept = kept_[{level, log_mass}];
        if (!kept)
            kept = std::make_shared<const LossPmfPair>(
                discretise(rate_, sigma_, std::ldexp(kFirstStep, -level), log_mass));
        return kept;
    }

    double width(double log_mass) const
    {
        const auto range = loss_range(rate_, sigma_, log_mass);
        return range.high - range.low;
    }

private:
    double rate_, sigma_;
    std::mutex mutex_;
    std::map<std::pair<int, double>, std::shared_ptr<const LossPmfPair>> kept_;
};

struct Source {
    std::shared_ptr<Grids> grids;
    std::int64_t steps;
};

/// What a list of segments amounts to.
struct Plan {
    std::vector<Source> sources; ///< sampled steps, and the unsampled ones when there are both
    double gaussian_sigma =
        kInfinity; ///< of all unsampled steps together, when there are no others
    double steps = 0.0;
    bool is_gaussian() const { return sources.empty(); }
    /// Probability cut from the losses of one step, small against delta over all of them.
    double log_mass() const { return steps <= 1e6 ? -50.0 : -95.0; }
};

bool is_unprotected(const SubsampledGaussian& event)
{
    const double sigma = event.noise.value();
    return event.rate.value() == 1.0 || sigma < 1e-4
        || loss_range(event.rate.value(), sigma, -95.0).high > kMostLoss;
}

double squared_mu(const Segment& segment)
{
    const double sigma = segment.event.noise.value();
    return static_cast<double>(segment.steps.value()) / sigma / sigma;
}

Plan make_plan(std::span<const Segment> segments)
{
    Plan plan;
    double pooled = 0.0, all = 0.0;
    std::vector<std::pair<SubsampledGaussian, double>> sampled;
    for (const auto& segment : segments) {
        const auto steps = static_cast<double>(segment.steps.value());
        all += squared_mu(segment);
        if (is_unprotected(segment.event)) {
            pooled += squared_mu(segment);
            continue;
        }
        plan.steps += steps;
        const auto same = std::find_if(sampled.begin(), sampled.end(), [&](const auto& kept) {
            return kept.first == segment.event;
        });
        if (same != sampled.end())
            same->second += steps;
        else
            sampled.emplace_back(segment.event, steps);
    }
    if (sampled.empty() || !(pooled < 1.0 / (kSmallestSigma * kSmallestSigma))) {
        plan.gaussian_sigma = std::min(1.0 / std::sqrt(all), kLargestSigma);
        return plan;
    }
    if (plan.steps > kMostSteps) return plan;
    for (const auto& [event, steps] : sampled)
        plan.sources.push_back({std::make_shared<Grids>(event.rate.value(), event.noise.value()),
                                static_cast<std::int64_t>(steps)});
    if (pooled > 0.0)
        plan.sources.push_back({std::make_shared<Grids>(1.0, 1.0 / std::sqrt(pooled)), 1});
    return plan;
}

/// max over both directions of `ask`, on the grid of `level` and on the next coarser one.
struct Pass {
    Answer fine, coarse;
};

template <class Ask>
Pass run_pass(const Plan& plan, int level, const Ask& ask)
{
    std::vector<std::shared_ptr<const LossPmfPair>> pairs;
    pairs.reserve(plan.sources.size());
    for (const auto& source : plan.sources)
        pairs.push_back(source.grids->get(level, plan.log_mass()));
    Pass pass;
    const auto keep_worse = [](Answer& worst, const Answer& answer) {
        worst.value = std::max(worst.value, answer.value);
        worst.cells_needed = std::max(worst.cells_needed, answer.cells_needed);
    };
    for (const auto direction : {&LossPmfPair::remove, &LossPmfPair::add}) {
        std::vector<LossPmf> halves;
        halves.reserve(pairs.size());
        std::vector<Term> fine, coarse;
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            const LossPmf& pmf = (*pairs[i]).*direction;
            halves.push_back(coarsen(pmf));
            fine.push_back({&pmf, plan.sources[i].steps});
            coarse.push_back({&halves.back(), plan.sources[i].steps});
        }
        keep_worse(pass.fine, ask(fine));
        if (pass.fine.cells_needed != 0) return pass;
        keep_worse(pass.coarse, ask(coarse));
    }
    return pass;
}

/// How far an answer is refined.
struct Precision {
    double relative;
    double negligible; ///< answers below need not be refined
};

/// The answer on the grid that is fine enough; nothing when even the coarsest one does not fit into
/// memory.
template <class Ask>
std::optional<double> refine(const Plan& plan, Precision precision, const Ask& ask)
{
    double width = 0.0;
    for (const auto& source : plan.sources)
        width += source.grids->width(plan.log_mass());
    const auto pmf_cells = [&](int level) {
        return width / std::ldexp(kFirstStep, -level)
            + 3.0 * static_cast<double>(plan.sources.size());
    };
    int level = 0;
    while (pmf_cells(level) > static_cast<double>(kUsualCells))
        if (--level < kCoarsest) return std::nullopt;

    double best = kInfinity;
    bool has_answer = false;
    std::int64_t limit = kUsualCells;
    for (int round = 0; round < 64; ++round) {
        const Pass pass =
            run_pass(plan, level, [&](const auto& terms) { return ask(terms, limit); });
        if (pass.fine.cells_needed != 0) {
            if (has_answer) break;
            const double excess =
                static_cast<double>(pass.fine.cells_needed) / static_cast<double>(limit);
            level -= std::max(1, static_cast<int>(std::ceil(std::log2(excess))));
            if (level < kCoarsest) return std::nullopt;
            continue;
        }
        has_answer = true;
        best = std::min(best, pass.fine.value);
        if (!std::isfinite(pass.fine.value) || pass.coarse.value < precision.negligible) break;
        const double change =
            0.5 * (pass.coarse.value - pass.fine.value) / (precision.relative * pass.fine.value);
        if (std::isfinite(pass.coarse.value) && change <= 1.0) break;
        level +=
            std::isfinite(change) ? std::clamp(static_cast<int>(0.5 * std::log2(change)), 1, 5) : 5;
        limit = kMostCells;
        if (level > 45 || pmf_cells(level) > static_cast<double>(kMostCells)) break;
    }
    if (!has_answer) return std::nullopt;
    return best;
}

template <class Compute>
auto guarded(const Compute& compute) -> decltype(compute())
{
    try {
        return compute();
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "not enough memory for the privacy loss distribution",
                    "close other programs and try again");
    }
}

Result<Epsilon> epsilon_of(const Plan& plan, std::span<const Segment> segments, Delta delta)
{
    if (delta.value() < kSmallestDelta)
        return fail(ErrorCode::InvalidArgument,
                    "delta is below 1e-12, which the accountant cannot resolve",
                    "choose a delta of at least 1e-12");
    if (segments.empty()) return checked<Epsilon>(0.0);
    double log_never = 0.0; // delta(0) is at most the chance that the unit is ever drawn
    for (const auto& segment : segments)
        log_never +=
            static_cast<double>(segment.steps.value()) * std::log1p(-segment.event.rate.value());
    if (-std::expm1(log_never) <= delta.value()) return checked<Epsilon>(0.0);
    if (plan.steps > kMostSteps) return rdp_epsilon(segments, delta).epsilon;
    if (plan.is_gaussian()) {
        if (!(plan.gaussian_sigma > 0.0)) return checked<Epsilon>(kInfinity);
        return gaussian_epsilon(delta, checked<NoiseMultiplier>(plan.gaussian_sigma));
    }
    return guarded([&]() -> Result<Epsilon> {
        const auto epsilon =
            refine(plan, {1e-3, 1e-6}, [&](std::span<const Term> terms, std::int64_t limit) {
                return composed_epsilon(terms, delta.value(), limit);
            });
        return epsilon ? checked<Epsilon>(*epsilon) : rdp_epsilon(segments, delta).epsilon;
    });
}

/// Smallest of a grid of delta with Renyi epsilon at most `epsilon`.
double rdp_delta(std::span<const Segment> segments, Epsilon epsilon)
{
    double low = std::log(kSmallestDelta), high = 0.0;
    while (high - low > 1e-3) {
        const double middle = 0.5 * (low + high);
        const auto bound = rdp_epsilon(segments, checked<Delta>(std::exp(middle)));
        (bound.epsilon <= epsilon ? high : low) = middle;
    }
    return std::exp(high);
}

} // namespace

Result<Epsilon> pld_epsilon(std::span<const Segment> segments, Delta delta)
{
    return epsilon_of(make_plan(segments), segments, delta);
}

Result<double> pld_delta(std::span<const Segment> segments, Epsilon epsilon)
{
    if (segments.empty() || epsilon.value() == kInfinity) return 0.0;
    const Plan plan = make_plan(segments);
    if (plan.steps > kMostSteps) return rdp_delta(segments, epsilon);
    if (plan.is_gaussian()) {
        if (!(plan.gaussian_sigma > 0.0)) return 1.0;
        return gaussian_delta(epsilon.value(), checked<NoiseMultiplier>(plan.gaussian_sigma));
    }
    return guarded([&]() -> Result<double> {
        const auto delta =
            refine(plan, {1e-2, 1e-13}, [&](std::span<const Term> terms, std::int64_t limit) {
                return composed_delta(terms, epsilon.value(), limit);
            });
        return delta ? *delta : rdp_delta(segments, epsilon);
    });
}

struct PldCurve::State {
    SubsampledGaussian event;
    std::shared_ptr<Grids> grids; ///< none where the steps are one Gaussian

    Plan plan(Steps steps) const
    {
        const auto count = static_cast<double>(steps.value());
        Plan plan;
        if (grids == nullptr) {
            plan.gaussian_sigma = event.noise.value() / std::sqrt(count);
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

Result<PldCurve> PldCurve::create(const SubsampledGaussian& event)
{
    auto state = std::make_unique<State>(State{.event = event, .grids = nullptr});
    if (!is_unprotected(event))
        state->grids = std::make_shared<Grids>(event.rate.value(), event.noise.value());
    return PldCurve(std::move(state));
}

Result<Epsilon> PldCurve::epsilon_after(Steps steps, Delta delta) const
{
    const Segment segment{state_->event, steps};
    return epsilon_of(state_->plan(steps), {&segment, 1}, delta);
}

Result<double> PldCurve::true_positive_rate(Steps steps, double false_positive_rate) const
{
    if (!(false_positive_rate >= 0.0 && false_positive_rate <= 1.0))
        return fail(ErrorCode::InvalidArgument, "a false-positive rate lies between 0 and 1",
                    "choose for instance 0.01");
    const double rate = false_positive_rate;
    const Plan plan = state_->plan(steps);
    if (rate == 0.0 || rate == 1.0) return rate == 0.0 && !plan.is_gaussian() ? 1e-14 : rate;
    if (plan.is_gaussian())
        return std::min(
            1.0, (1.0 + 1e-12) * ndtr(ndtri_exp(std::log(rate)) + 1.0 / plan.gaussian_sigma));
    return guarded([&]() -> Result<double> {
        if (plan.steps <= kMostSteps) {
            const auto power =
                refine(plan, {1e-3, 1e-13}, [&](std::span<const Term> terms, std::int64_t limit) {
                    return composed_power(terms, rate, limit);
                });
            if (power) return *power;
        }
        const Segment segment{state_->event, steps};
        double best = 1.0;
        for (const double delta : {1e-2, 1e-3, 1e-4, 1e-6, 1e-8}) { // TPR <= e^epsilon FPR + delta
            const auto bound = rdp_epsilon({&segment, 1}, checked<Delta>(delta));
            best = std::min(best, delta + rate * std::exp(bound.epsilon.value()));
        }
        return best;
    });
}

} // namespace velamen::privacy
