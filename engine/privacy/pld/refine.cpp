// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which grid a question to the privacy loss distribution is answered on. Every grid gives an upper
// bound, so the grid decides about tightness only: it starts at h = 1e-4 (coarser where that would
// not fit into memory) and is halved until that changes the answer by less than 0.1 %; the change
// is foretold from the doubled grid, as the error falls at least linearly.

#include "engine/privacy/pld/refine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "engine/privacy/checked.h"
#include "engine/privacy/normal.h"
#include "engine/privacy/pld/compose.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSmallestDelta = 1e-12;
constexpr int kCoarsest = -19; // h = 52.4
// Per direction and window; three arrays of this size and the pmfs stay far below 1 GB.
constexpr std::int64_t kUsualCells = std::int64_t{1} << 21;
constexpr std::int64_t kMostCells = std::int64_t{1} << 23;

/// max over both directions of `ask`, on the grid of `level` and on the next coarser one. The
/// second argument of `ask` is what the other direction has given: smaller answers need not be
/// found.
struct Pass {
    Answer fine, coarse;
};

template <class Ask>
Pass run_pass(const Plan& plan, int level, const Ask& ask)
{
    std::vector<std::shared_ptr<GridLoss>> losses;
    losses.reserve(plan.sources.size());
    for (const auto& source : plan.sources)
        losses.push_back(source.grids->get(level, plan.log_mass()));
    Pass pass;
    const auto keep_worse = [](Answer& worst, const Answer& answer) {
        worst.value = std::max(worst.value, answer.value);
        worst.cells_needed = std::max(worst.cells_needed, answer.cells_needed);
    };
    const bool is_symmetric = std::all_of(losses.begin(), losses.end(),
                                          [](const auto& loss) { return loss->pair.is_symmetric; });
    for (const auto direction : {&GridLoss::remove, &GridLoss::add}) {
        if (is_symmetric && direction == &GridLoss::add) break;
        std::vector<Term> terms;
        for (std::size_t i = 0; i < losses.size(); ++i) {
            LossSpectra& spectra = (*losses[i]).*direction;
            terms.push_back({&spectra.pmf(), plan.sources[i].steps, &spectra});
        }
        const Answer fine = ask(terms, pass.fine.value);
        keep_worse(pass.fine, fine);
        if (pass.fine.cells_needed != 0) return pass;
        if (fine.coarse) {
            keep_worse(pass.coarse, {.value = *fine.coarse});
            continue;
        }
        std::vector<LossPmf> halves;
        halves.reserve(terms.size());
        for (auto& term : terms) {
            halves.push_back(coarsen(*term.pmf));
            term = {&halves.back(), term.steps};
        }
        keep_worse(pass.coarse, ask(terms, pass.coarse.value));
    }
    return pass;
}

/// How far an answer is refined.
struct Precision {
    double relative;
    double negligible; ///< answers below need not be refined
};

/// Most cells of a direction's pmfs and of its window, on the first grid and on finer ones.
struct Limits {
    std::int64_t pmf, window, most;
};
constexpr Limits kUsual{kUsualCells, kUsualCells, kMostCells};

/// The answer on the grid that is fine enough, and that of the grid twice as coarse as the last
/// one; nothing when even the coarsest grid does not fit into memory.
struct Refined {
    double value = kInfinity, coarse = kInfinity;
};

template <class Ask>
std::optional<Refined> refine(const Plan& plan, Precision precision, Limits limits, const Ask& ask)
{
    double width = 0.0;
    for (const auto& source : plan.sources)
        width += source.grids->width(plan.log_mass());
    const auto pmf_cells = [&](int level) {
        return width / std::ldexp(kFirstStep, -level)
            + 3.0 * static_cast<double>(plan.sources.size());
    };
    int level = 0;
    while (pmf_cells(level) > static_cast<double>(limits.pmf))
        if (--level < kCoarsest) return std::nullopt;

    Refined best;
    bool has_answer = false;
    std::int64_t limit = limits.window;
    for (int round = 0; round < 64; ++round) {
        const Pass pass = run_pass(
            plan, level, [&](const auto& terms, double least) { return ask(terms, limit, least); });
        if (pass.fine.cells_needed != 0) {
            if (has_answer) break;
            const double excess =
                static_cast<double>(pass.fine.cells_needed) / static_cast<double>(limit);
            level -= std::max(1, static_cast<int>(std::ceil(std::log2(excess))));
            if (level < kCoarsest) return std::nullopt;
            continue;
        }
        has_answer = true;
        best = {std::min(best.value, pass.fine.value), pass.coarse.value};
        if (!std::isfinite(pass.fine.value) || pass.coarse.value < precision.negligible) break;
        const double change =
            0.5 * (pass.coarse.value - pass.fine.value) / (precision.relative * pass.fine.value);
        if (std::isfinite(pass.coarse.value) && change <= 1.0) break;
        level +=
            std::isfinite(change) ? std::clamp(static_cast<int>(0.5 * std::log2(change)), 1, 5) : 5;
        limit = limits.most;
        if (level > 45 || pmf_cells(level) > static_cast<double>(limits.most)) break;
    }
    if (!has_answer) return std::nullopt;
    return best;
}

/// What needs no grid: nothing where the plan does.
std::optional<double> epsilon_without_grid(const Plan& plan, Delta delta)
{
    // delta(0) is at most the chance that the outputs differ at all
    if (-std::expm1(plan.log_same) <= delta.value()) return 0.0;
    if (!plan.is_gaussian()) return std::nullopt;
    if (!(plan.gaussian_sigma > 0.0)) return kInfinity;
    return gaussian_epsilon(delta, checked<NoiseMultiplier>(plan.gaussian_sigma)).value();
}

std::optional<double> value_of(const std::optional<Refined>& refined)
{
    return refined ? std::optional(refined->value) : std::nullopt;
}

template <class Compute>
auto guarded(const Compute& compute) -> Result<decltype(compute())>
{
    try {
        return compute();
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "not enough memory for the privacy loss distribution",
                    "close other programs and try again");
    }
}

} // namespace

Result<std::optional<double>> epsilon_of(const Plan& plan, Delta delta)
{
    if (delta.value() < kSmallestDelta)
        return fail(ErrorCode::InvalidArgument,
                    "delta is below 1e-12, which the accountant cannot resolve",
                    "choose a delta of at least 1e-12");
    if (const auto epsilon = epsilon_without_grid(plan, delta)) return epsilon;
    if (plan.is_too_long()) return std::nullopt;
    return guarded([&] {
        return value_of(refine(plan, {1e-3, 1e-6}, kUsual,
                               [&](std::span<const Term> terms, std::int64_t limit, double least) {
                                   return composed_epsilon(terms, delta.value(), limit, least);
                               }));
    });
}

Result<double> guess_epsilon(const Plan& plan, Delta delta)
{
    if (delta.value() < kSmallestDelta) return kInfinity;
    if (const auto epsilon = epsilon_without_grid(plan, delta)) return *epsilon;
    if (plan.is_too_long()) return kInfinity;
    constexpr Limits kFew{1 << 12, 1 << 17, 1 << 16};
    return guarded([&]() -> double {
        const auto refined =
            refine(plan, {0.02, 1e-6}, kFew,
                   [&](std::span<const Term> terms, std::int64_t limit, double least) {
                       return composed_epsilon(terms, delta.value(), limit, least);
                   });
        if (!refined || !std::isfinite(refined->coarse)) return kInfinity;
        return refined->value - (refined->coarse - refined->value) / 3.0; // errors fall like h^2
    });
}

Result<std::optional<double>> delta_of(const Plan& plan, Epsilon epsilon)
{
    if (epsilon.value() == kInfinity) return 0.0;
    if (plan.is_too_long()) return std::nullopt;
    if (plan.is_gaussian()) {
        if (!(plan.gaussian_sigma > 0.0)) return 1.0;
        return gaussian_delta(epsilon.value(), checked<NoiseMultiplier>(plan.gaussian_sigma));
    }
    return guarded([&] {
        return value_of(refine(plan, {1e-2, 1e-13}, kUsual,
                               [&](std::span<const Term> terms, std::int64_t limit, double) {
                                   return composed_delta(terms, epsilon.value(), limit);
                               }));
    });
}

Result<std::optional<double>> power_of(const Plan& plan, double false_positive_rate)
{
    const double rate = false_positive_rate;
    if (rate == 0.0 || rate == 1.0) return rate == 0.0 && !plan.is_gaussian() ? 1e-14 : rate;
    if (plan.is_too_long()) return std::nullopt;
    if (plan.is_gaussian())
        return std::min(
            1.0, (1.0 + 1e-12) * ndtr(ndtri_exp(std::log(rate)) + 1.0 / plan.gaussian_sigma));
    return guarded([&] {
        return value_of(refine(plan, {1e-3, 1e-13}, kUsual,
                               [&](std::span<const Term> terms, std::int64_t limit, double) {
                                   return composed_power(terms, rate, limit);
                               }));
    });
}

} // namespace velamen::privacy
