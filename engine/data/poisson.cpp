// SPDX-License-Identifier: GPL-3.0-or-later
//
// The gap between two drawn units is geometric: P(gap = k) = (1 - q)^k q. With u uniform in [0, 1),
// floor(log(1 - u) / log(1 - q)) has this law (inversion); u has 53 bits, so each probability is
// off by at most about 2^-53, far below every delta that a run can state.

#include "engine/data/poisson.h"

#include <cmath>
#include <numeric>

#include "engine/core/assert.h"

namespace velamen::data {

PoissonSampler::PoissonSampler(std::int64_t unit_count, privacy::SamplingRate rate)
    : unit_count_(unit_count), rate_(rate.value())
{
    VELAMEN_ASSERT(unit_count >= 0);
}

PoissonDraw PoissonSampler::draw(core::SecureStream& stream) const
{
    std::vector<std::int64_t> units;
    if (rate_ == 1.0) {
        units.resize(static_cast<std::size_t>(unit_count_));
        std::iota(units.begin(), units.end(), std::int64_t{0});
        return PoissonDraw(std::move(units));
    }
    const double expected = rate_ * static_cast<double>(unit_count_);
    units.reserve(static_cast<std::size_t>(expected + 6.0 * std::sqrt(expected) + 16.0));
    const double log_miss = std::log1p(-rate_); // < 0
    for (std::int64_t next = 0;; ++next) {
        const double gap = std::floor(std::log1p(-stream.uniform()) / log_miss);
        // Compared as doubles: a gap can be larger than any integer.
        if (gap >= static_cast<double>(unit_count_ - next)) break;
        next += static_cast<std::int64_t>(gap);
        units.push_back(next);
    }
    return PoissonDraw(std::move(units));
}

} // namespace velamen::data
