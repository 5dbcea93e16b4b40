// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/evaluate/audit_bound.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace velamen::evaluate {
namespace {

/// P[Bin(n, p) >= k] for k = 0 ... last, summed from the small end.
std::vector<double> upper_tails(std::int64_t n, double p, std::int64_t last)
{
    const double log_p = std::log(p), log_miss = std::log1p(-p);
    const auto log_choose = [n](std::int64_t k) {
        return std::lgamma(static_cast<double>(n + 1)) - std::lgamma(static_cast<double>(k + 1))
            - std::lgamma(static_cast<double>(n - k + 1));
    };
    std::vector<double> tails(static_cast<std::size_t>(last) + 1);
    double sum = 0.0;
    for (std::int64_t k = n; k >= 0; --k) {
        const double hits = k == 0 ? 0.0 : static_cast<double>(k) * log_p;
        const double misses = k == n ? 0.0 : static_cast<double>(n - k) * log_miss;
        sum += std::exp(log_choose(k) + hits + misses);
        if (k <= last) tails[static_cast<std::size_t>(k)] = std::min(1.0, sum);
    }
    return tails;
}

bool is_possible(const Guesses& g)
{
    return g.guessed >= 1 && g.guessed <= g.canaries && g.correct >= 0 && g.correct <= g.guessed;
}

} // namespace

double chance_of(const Guesses& g, privacy::Epsilon epsilon, privacy::Delta delta)
{
    if (!is_possible(g)) return 1.0;
    const double odds = std::exp(-epsilon.value()); // of a wrong guess at best
    const double right = 1.0 / (1.0 + odds);
    if (right >= 1.0) return 1.0;
    const auto tails = upper_tails(g.guessed, right, g.correct);
    const double beta = tails[static_cast<std::size_t>(g.correct)];
    double alpha = 0.0;
    for (std::int64_t i = 1; i <= g.correct; ++i)
        alpha = std::max(alpha,
                         (tails[static_cast<std::size_t>(g.correct - i)] - beta)
                             / static_cast<double>(i));
    return std::min(1.0, beta + 2.0 * static_cast<double>(g.canaries) * delta.value() * alpha);
}

double refuted_epsilon(const Guesses& g, privacy::Delta delta, double significance)
{
    if (!(significance > 0.0) || !(significance < 1.0)) return 0.0;
    const auto is_refuted = [&](double epsilon) {
        return chance_of(g, *privacy::Epsilon::create(epsilon), delta) <= significance;
    };
    if (!is_refuted(0.0)) return 0.0;
    double low = 0.0, high = 1.0;
    while (is_refuted(high) && high < 64.0)
        low = std::exchange(high, 2.0 * high);
    while (high - low > 1e-6) {
        const double middle = 0.5 * (low + high);
        (is_refuted(middle) ? low : high) = middle;
    }
    return low;
}

} // namespace velamen::evaluate
