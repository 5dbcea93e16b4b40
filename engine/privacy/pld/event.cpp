// SPDX-License-Identifier: GPL-3.0-or-later
//
// Losses with atoms, mixtures, and the choice between the kinds. An atom or a density between two
// grid points is split as pmf.cpp says: both distributions keep their mass.

#include "engine/privacy/pld/event.h"

#include <algorithm>
#include <cmath>

#include "engine/privacy/overloaded.h"
#include "engine/privacy/pld/quadrature.h"

namespace velamen::privacy {
namespace {

// Below this the part of a capped draw is counted as lost altogether instead of put on the grid.
constexpr double kNeverFull = 1e-30;
// More than the relative error of the chance that a draw is full.
constexpr double kSlack = 1e-11;

/// A pmf with cells around [-bound, bound].
LossPmf empty_pmf(double bound, double step)
{
    const auto highest =
        std::max<std::int64_t>(static_cast<std::int64_t>(std::ceil(bound / step)), 1);
    LossPmf pmf{.step = step, .lowest = -highest};
    pmf.mass.assign(static_cast<std::size_t>(2 * highest + 1), 0.0);
    return pmf;
}

void add_atom(LossPmf& pmf, double loss, double mass)
{
    const auto last = static_cast<std::int64_t>(pmf.mass.size()) - 2;
    const auto cell = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(std::floor(loss / pmf.step)) - pmf.lowest, 0, last);
    const double above = loss - static_cast<double>(pmf.lowest + cell) * pmf.step;
    const double part = std::clamp(std::expm1(-above) / std::expm1(-pmf.step), 0.0, 1.0);
    pmf.mass[static_cast<std::size_t>(cell)] += mass * (1.0 - part);
    pmf.mass[static_cast<std::size_t>(cell) + 1] += mass * part;
}

/// The loss is `bound` with probability 1/2, -bound with e^-bound / 2, and has the density
/// e^((l - bound) / 2) / 4 between.
LossPmf laplace_pmf(double bound, double step)
{
    LossPmf pmf = empty_pmf(bound, step);
    add_atom(pmf, bound, 0.5);
    add_atom(pmf, -bound, 0.5 * std::exp(-bound));
    const double up = -std::expm1(-step), down = std::expm1(step);
    for (std::size_t i = 0; i + 1 < pmf.mass.size(); ++i) {
        const double low = static_cast<double>(pmf.lowest + static_cast<std::int64_t>(i)) * step;
        const double high = low + step;
        double excess = 0.0, lack = 0.0;
        for_each_panel(std::max(low, -bound), std::min(high, bound), 1.0,
                       [&](const auto& nodes, double start, double width) {
                           for (const auto& node : nodes) {
                               const double l = start + width * node.at;
                               const double density =
                                   node.weight * width * 0.25 * std::exp(0.5 * (l - bound));
                               excess -= density * quick_expm1(low - l);
                               lack += density * quick_expm1(high - l);
                           }
                       });
        pmf.mass[i] += std::max(0.0, lack) / down;
        pmf.mass[i + 1] += std::max(0.0, excess) / up;
    }
    return pmf;
}

LossPmf guarantee_pmf(double epsilon, double delta, double step)
{
    LossPmf pmf = empty_pmf(epsilon, step);
    pmf.infinite = delta;
    add_atom(pmf, epsilon, (1.0 - delta) / (1.0 + std::exp(-epsilon)));
    add_atom(pmf, -epsilon, (1.0 - delta) / (1.0 + std::exp(epsilon)));
    return pmf;
}

LossPmf mixture(const LossPmf& a, double weight_a, const LossPmf& b, double weight_b)
{
    const auto end = [](const LossPmf& pmf) {
        return pmf.lowest + static_cast<std::int64_t>(pmf.mass.size());
    };
    LossPmf sum{.step = a.step, .lowest = std::min(a.lowest, b.lowest)};
    sum.mass.assign(static_cast<std::size_t>(std::max(end(a), end(b)) - sum.lowest), 0.0);
    sum.infinite = weight_a * a.infinite + weight_b * b.infinite;
    for (const auto& [pmf, weight] : {std::pair{&a, weight_a}, std::pair{&b, weight_b}}) {
        const auto shift = static_cast<std::size_t>(pmf->lowest - sum.lowest);
        for (std::size_t k = 0; k < pmf->mass.size(); ++k)
            sum.mass[k + shift] += weight * pmf->mass[k];
    }
    return sum;
}

LossPmfPair symmetric(LossPmf pmf)
{
    LossPmfPair pair{.remove = std::move(pmf), .is_symmetric = true};
    pair.add = pair.remove;
    return pair;
}

LossPmfPair discretise_capped(const CappedLoss& event, double step, double log_mass)
{
    LossPmfPair pair = discretise(event.rate, event.sigma, step, log_mass);
    if (event.full < kNeverFull) {
        for (auto* pmf : {&pair.remove, &pair.add})
            pmf->infinite += event.full;
        return pair;
    }
    const auto full = discretise_replace(event.full_rate, 0.5 * event.sigma, step, log_mass).remove;
    const double most = event.full * (1.0 + kSlack), rest = 1.0 - event.full * (1.0 - kSlack);
    return {.remove = mixture(full, most, pair.remove, rest),
            .add = mixture(full, most, pair.add, rest)};
}

} // namespace

LossRange loss_range(const LossEvent& event, double log_mass)
{
    return std::visit(
        Overloaded{
            [&](const SampledLoss& e) { return loss_range(e.rate, e.sigma, log_mass); },
            [&](const ReplaceLoss& e) { return replace_loss_range(e.rate, e.sigma, log_mass); },
            [&](const CappedLoss& e) {
                const auto plain = loss_range(e.rate, e.sigma, log_mass);
                const double both = std::max(plain.high, -plain.low);
                const double full = e.full < kNeverFull
                    ? 0.0
                    : replace_loss_range(e.full_rate, 0.5 * e.sigma, log_mass).high;
                return LossRange{-std::max(both, full), std::max(both, full)};
            },
            [](const LaplaceLoss& e) {
                return LossRange{-e.bound, e.bound};
            },
            [](const GuaranteeLoss& e) {
                return LossRange{-e.epsilon, e.epsilon};
            },
        },
        event);
}

LossPmfPair discretise(const LossEvent& event, double step, double log_mass)
{
    return std::visit(
        Overloaded{
            [&](const SampledLoss& e) { return discretise(e.rate, e.sigma, step, log_mass); },
            [&](const ReplaceLoss& e) {
                return discretise_replace(e.rate, e.sigma, step, log_mass);
            },
            [&](const CappedLoss& e) { return discretise_capped(e, step, log_mass); },
            [&](const LaplaceLoss& e) { return symmetric(laplace_pmf(e.bound, step)); },
            [&](const GuaranteeLoss& e) {
                return symmetric(guarantee_pmf(e.epsilon, e.delta, step));
            },
        },
        event);
}

} // namespace velamen::privacy
