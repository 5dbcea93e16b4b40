// SPDX-License-Identifier: GPL-3.0-or-later
//
// The hardened release: contributions clipped onto an integer grid, summed exactly, noised with the
// discrete Gaussian, then scaled back. Sum and noise are integers added without rounding, so that
// the attacks on floating-point noise (Mironov 2012; Haney et al., arXiv 2207.13793) have nothing
// to work on. Its epsilon is in composition.h. No tensor here.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/random.h"
#include "engine/privacy/discrete_gaussian.h"
#include "engine/privacy/ledger.h"
#include "engine/privacy/units.h"

namespace velamen::privacy {

/// G steps for each clipping norm C, in D dimensions (all trained weights together).
class Grid {
public:
    static constexpr std::int64_t kSteps = 1'000'000'000;

    /// InvalidArgument: D outside 1 to 2^30, G outside 1 to 2^40, C outside 1e-30 to 1e30, or
    /// sqrt(D) / 2 >= G, where rounding would use up the whole norm.
    static Result<Grid> create(ClippingNorm clip, std::int64_t dimensions,
                               std::int64_t steps = kSteps);

    /// One unit's contribution in steps of the grid: clipped to C - sqrt(D) C / (2 G), scaled by
    /// G / C, rounded to the nearest. The sum of the squares of `out` is at most G^2, which is
    /// checked in integers for every contribution. One with a value that is not finite becomes
    /// zero. Both have D elements. The result depends on this contribution alone.
    void round(std::span<const float> contribution, std::span<std::int64_t> out) const;

    std::int64_t steps() const noexcept { return steps_; }
    std::int64_t dimensions() const noexcept { return dimensions_; }
    /// C / G.
    double step() const noexcept { return clip_ / static_cast<double>(steps_); }
    friend bool operator==(const Grid&, const Grid&) = default;

private:
    Grid(double clip, std::int64_t dimensions, std::int64_t steps);
    double clip_;
    std::int64_t dimensions_;
    std::int64_t steps_;
};

/// The noise of one release: at least sigma G. Drawn before the data of its step are looked at, so
/// that the time it takes says nothing about them; used once.
class GridNoise {
public:
    /// `stream`: of (step, tensor) that nothing else draws from. InvalidArgument: sigma G exceeds
    /// 2^50. OutOfMemory: 8 D bytes are not there.
    static Result<GridNoise> draw(const Grid& grid, NoiseMultiplier sigma,
                                  core::SecureStream&& stream);
    GridNoise(GridNoise&&) noexcept = default;
    GridNoise& operator=(GridNoise&&) noexcept = default;

    NoiseScale scale() const noexcept { return scale_; }
    /// The multiplier that was asked for.
    NoiseMultiplier sigma() const noexcept { return sigma_; }

private:
    friend class GridSum;
    GridNoise(const Grid& grid, NoiseMultiplier sigma, NoiseScale scale)
        : grid_(grid), sigma_(sigma), scale_(scale)
    {
    }
    Grid grid_;
    NoiseMultiplier sigma_;
    NoiseScale scale_;
    std::vector<std::int64_t> values_;
};

/// One contribution on the grid; scratch that is used again and again. One thread at a time.
class GridContribution {
public:
    /// OutOfMemory: 8 D bytes are not there.
    static Result<GridContribution> create(const Grid& grid);
    /// Rounded by Grid::round().
    void set(std::span<const float> contribution) { grid_.round(contribution, values_); }

private:
    friend class GridSum;
    explicit GridContribution(const Grid& grid) : grid_(grid) {}
    Grid grid_;
    std::vector<std::int64_t> values_;
};

/// Exact sum of the contributions of a draw's units: not private until released. It cannot
/// overflow: every contribution is at most G per element, their number is limited to 2^62 / G, and
/// noise stays below 2^62. Not thread-safe.
class GridSum {
public:
    /// OutOfMemory: 8 D bytes are not there.
    static Result<GridSum> create(const Grid& grid);
    GridSum(GridSum&&) noexcept = default;
    GridSum& operator=(GridSum&&) noexcept = default;

    /// Adds one unit's whole contribution. The order does not matter. Refused: more units than fit.
    Result<> add(const GridContribution& contribution);
    /// Sum plus noise, scaled back to the units of the contributions (times C / G); uses up all
    /// three. The step was charged as hardened, with no more noise than there is: anything else
    /// ends the program. An empty sum releases noise alone. `out` has D elements.
    void release(GridNoise&& noise, SpentStep&& step, std::span<float> out) &&;

private:
    explicit GridSum(const Grid& grid) : grid_(grid) {}
    Grid grid_;
    std::int64_t units_ = 0;
    std::vector<std::int64_t> sum_;
};

} // namespace velamen::privacy
