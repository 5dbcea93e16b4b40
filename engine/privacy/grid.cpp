// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/privacy/grid.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include "engine/core/assert.h"

namespace velamen::privacy {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::int64_t kMaxDimensions = std::int64_t{1} << 30;
constexpr std::int64_t kMaxSteps = std::int64_t{1} << 40;
constexpr double kSmallestClip = 1e-30;
constexpr double kLargestClip = 1e30;

// Exact: at most 2^30 squares below 2^82.
Wide squared_norm(std::span<const std::int64_t> values)
{
    Wide total = 0;
    for (const std::int64_t value : values) {
        const Wide magnitude = static_cast<Wide>(value < 0 ? -value : value);
        total += magnitude * magnitude;
    }
    return total;
}

double floating_norm(std::span<const float> values)
{
    double total = 0.0; // finite floats cannot make it overflow
    for (const float value : values)
        total += static_cast<double>(value) * value;
    return std::sqrt(total);
}

Result<std::vector<std::int64_t>> zeros(std::int64_t count)
{
    try {
        return std::vector<std::int64_t>(static_cast<std::size_t>(count));
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory,
                    "no memory for the hardened noise of " + std::to_string(count) + " weights",
                    "train fewer weights, or without hardened noise");
    }
}

} // namespace

Grid::Grid(double clip, std::int64_t dimensions, std::int64_t steps)
    : clip_(clip), dimensions_(dimensions), steps_(steps)
{
}

Result<Grid> Grid::create(ClippingNorm clip, std::int64_t dimensions, std::int64_t steps)
{
    if (dimensions < 1 || dimensions > kMaxDimensions)
        return fail(ErrorCode::InvalidArgument,
                    "hardened noise cannot hold " + std::to_string(dimensions) + " weights",
                    "train between 1 and 2^30 weights");
    if (steps < 1 || steps > kMaxSteps)
        return fail(ErrorCode::InvalidArgument,
                    "a grid of " + std::to_string(steps) + " steps is out of range",
                    "give between 1 and 2^40 steps");
    if (!(clip.value() >= kSmallestClip && clip.value() <= kLargestClip))
        return fail(ErrorCode::InvalidArgument,
                    "the clipping norm does not fit the grid of hardened noise",
                    "give a clipping norm between 1e-30 and 1e30");
    if (0.5 * std::sqrt(static_cast<double>(dimensions)) >= static_cast<double>(steps))
        return fail(ErrorCode::InvalidArgument,
                    "a grid of " + std::to_string(steps) + " steps is too coarse for "
                        + std::to_string(dimensions) + " weights",
                    "give the grid more steps");
    return Grid(clip.value(), dimensions, steps);
}

void Grid::round(std::span<const float> contribution, std::span<std::int64_t> out) const
{
    VELAMEN_ASSERT(contribution.size() == static_cast<std::size_t>(dimensions_)
                   && out.size() == contribution.size());
    const double norm = floating_norm(contribution);
    if (!std::isfinite(norm)) {
        std::fill(out.begin(), out.end(), 0);
        return;
    }
    const auto g = static_cast<double>(steps_);
    // Rounding adds at most sqrt(D) / 2 to the norm.
    const double room = g - 0.5 * std::sqrt(static_cast<double>(dimensions_));
    const double divisor = std::max(norm, clip_ * (room / g));
    const auto limit = static_cast<Wide>(steps_) * static_cast<Wide>(steps_);
    // Floating point may exceed the norm by a hair: what counts is the sum in integers. Each round
    // lowers the scale, and the scale 0 fits.
    double scale = room;
    do {
        const double factor = scale / divisor;
        for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = std::llrint(contribution[i] * factor);
        scale *= 1.0 - 0x1p-20;
    } while (squared_norm(out) > limit);
}

Result<GridNoise> GridNoise::draw(const Grid& grid, NoiseMultiplier sigma,
                                  core::SecureStream&& stream)
{
    // Up twice: the product to the next double, that to the next integer.
    const double exact = sigma.value() * static_cast<double>(grid.steps());
    const double scale = std::ceil(std::nextafter(exact, std::numeric_limits<double>::infinity()));
    if (!(scale <= 0x1p50))
        return fail(ErrorCode::InvalidArgument,
                    "the noise multiplier " + std::to_string(sigma.value())
                        + " is too large for a grid of " + std::to_string(grid.steps()) + " steps",
                    "give less noise, or the grid fewer steps");
    VELAMEN_ASSIGN(const NoiseScale valid, NoiseScale::create(static_cast<std::int64_t>(scale)));
    GridNoise noise(grid, sigma, valid);
    VELAMEN_ASSIGN(noise.values_, zeros(grid.dimensions()));
    core::SecureStream used(std::move(stream));
    discrete_gaussians(used, valid, noise.values_);
    return noise;
}

Result<GridSum> GridSum::create(const Grid& grid)
{
    GridSum sum(grid);
    VELAMEN_ASSIGN(sum.sum_, zeros(grid.dimensions()));
    return sum;
}

Result<GridContribution> GridContribution::create(const Grid& grid)
{
    GridContribution contribution(grid);
    VELAMEN_ASSIGN(contribution.values_, zeros(grid.dimensions()));
    return contribution;
}

Result<> GridSum::add(const GridContribution& contribution)
{
    VELAMEN_ASSERT(!sum_.empty() && contribution.grid_ == grid_
                   && contribution.values_.size() == sum_.size());
    if (units_ >= kNoiseLimit / grid_.steps())
        return fail(ErrorCode::Refused, "the batch has more units than its exact sum can hold",
                    "draw fewer units, or give the grid fewer steps");
    ++units_;
    for (std::size_t i = 0; i < sum_.size(); ++i)
        sum_[i] += contribution.values_[i];
    return {};
}

void GridSum::release(GridNoise&& noise, SpentStep&& step, std::span<float> out) &&
{
    VELAMEN_ASSERT(step.is_live());
    const SpentStep spent(std::move(step));
    const GridNoise used_noise(std::move(noise));
    VELAMEN_ASSERT(spent.is_hardened() && used_noise.sigma() >= spent.event().noise);
    const std::vector<std::int64_t> sum(std::move(sum_));
    VELAMEN_ASSERT(!sum.empty() && used_noise.grid_ == grid_
                   && used_noise.values_.size() == sum.size() && out.size() == sum.size());
    const double unit = grid_.step();
    for (std::size_t i = 0; i < sum.size(); ++i)
        out[i] = static_cast<float>(static_cast<double>(sum[i] + used_noise.values_[i]) * unit);
}

} // namespace velamen::privacy
