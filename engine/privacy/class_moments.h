// SPDX-License-Identifier: GPL-3.0-or-later
//
// What each class of the private units looks like on average, released once: shares, means and one
// covariance within the classes, as one Gaussian mechanism. A warm start draws from them.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/random.h"
#include "engine/privacy/ledger.h"

namespace velamen::privacy {

/// Of its noise streams, as kMomentsTensor of statistics.h.
inline constexpr std::uint32_t kClassMomentsTensor = 0xFFFFFFFBU;

/// What the ledger is charged for: "class_moments".
NoisyRelease class_moments_charge(NoiseMultiplier noise);

/// Public.
struct ClassMoments {
    std::vector<double> shares;     ///< [classes], at least 0, sum 1
    std::vector<double> means;      ///< [classes, d]; that of all where a class drowns in the noise
    std::vector<double> covariance; ///< [d, d], within classes; no eigenvalue is below the floor
    std::int64_t dimensions = 0;    ///< d
};

struct ClassMomentSettings {
    ClippingNorm clip;         ///< R of one image's vector, from 1e-30 to 1e30
    std::int64_t dimensions;   ///< d, from 1 to 512
    std::int64_t classes;      ///< from 1 to 65536
    std::int64_t public_units; ///< N, at least 1
    double floor = 0.02;       ///< of the covariance's eigenvalues, at least 0
};

/// Sum over units of the mean over a unit's images of (a e_c, b e_c x z / R, b vec(z z^T) / R^2), c
/// being an image's class, e_c its unit vector, z its vector clipped to R, vec the upper triangle
/// with entries off the diagonal times sqrt(2), and a^2 + 2 b^2 = 1: no contribution is longer than
/// 1, the sensitivity under zero_out and add_remove. Summed on a grid as in statistics.h. Not
/// private until released. Not thread-safe.
class ClassMomentSum {
public:
    /// InvalidArgument: a setting out of its range. OutOfMemory.
    static Result<ClassMomentSum> create(const ClassMomentSettings& settings);
    ClassMomentSum(ClassMomentSum&&) noexcept = default;
    ClassMomentSum& operator=(ClassMomentSum&&) noexcept = default;

    /// Adds one unit; each unit may be added once. images: [m, d] row-major; classes: [m], those
    /// out of range and images with a value that is not finite contribute zero. InvalidArgument: no
    /// image, or rows that are not whole. Refused: more than 2^26 units.
    Result<> add(std::span<const float> images, std::span<const std::int64_t> classes);

    /// Uses up both; errors and `noise` as MomentSum::release(), with kClassMomentsTensor.
    Result<ClassMoments> release(SpentRelease&& right, const core::StreamKey& noise) &&;

private:
    friend struct ClassMomentSeam; // defined in tests only: reads, never makes
    explicit ClassMomentSum(const ClassMomentSettings& settings) : settings_(settings) {}
    ClassMomentSettings settings_;
    std::int64_t units_ = 0;
    std::vector<std::int64_t> sums_; // [classes + classes d + d (d + 1) / 2], in steps of the grid
    std::vector<double> unit_;       // one unit's contribution
};

} // namespace velamen::privacy
