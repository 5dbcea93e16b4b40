// SPDX-License-Identifier: GPL-3.0-or-later
//
// Poisson sampling of privacy units: every unit takes part in a step with probability q,
// independent of the others. The only way in which a private batch is drawn.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/random.h"
#include "engine/privacy/units.h"

namespace velamen::data {

/// The units of one step. Made only by the sampler, used once. Its size is private.
class PoissonDraw {
public:
    PoissonDraw(PoissonDraw&&) noexcept = default;
    PoissonDraw& operator=(PoissonDraw&&) noexcept = default;
    std::span<const std::int64_t> units() const noexcept { return units_; }

private:
    friend class PoissonSampler;
    explicit PoissonDraw(std::vector<std::int64_t> units) : units_(std::move(units)) {}
    std::vector<std::int64_t> units_;
};

/// One thread.
class PoissonSampler {
public:
    PoissonSampler(std::int64_t unit_count, privacy::SamplingRate rate);
    /// `stream`: fresh per (step, attempt). Geometric skips: cost O(q N), not O(N).
    PoissonDraw draw(core::SecureStream& stream) const;

private:
    std::int64_t unit_count_;
    double rate_;
};

} // namespace velamen::data
