// SPDX-License-Identifier: GPL-3.0-or-later
//
// Statistics of the private units that are released once, beside training: mean and covariance of
// their feature vectors, and counts of their votes. Each is one noisy sum that a ledger line has
// been charged for. Where features and votes come from is the caller's business. No tensor here.
//
// Contributions are cut towards zero to multiples of 2^-36 and summed as integers, so that neither
// the number nor the order of units changes what one of them can move. Noise is drawn in floating
// point, rounded to the same grid and added exactly.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/random.h"
#include "engine/privacy/ledger.h"

namespace velamen::privacy {

/// Tensor numbers of the noise streams below, with the number of the ledger line as their step. No
/// model has that many tensors, so that a key can also serve training; it must not serve another
/// ledger, whose lines have the same numbers.
inline constexpr std::uint32_t kMomentsTensor = 0xFFFFFFFDU;
inline constexpr std::uint32_t kVotesTensor = 0xFFFFFFFCU;

/// What the ledger is charged for: "feature_moments" and "class_votes".
NoisyRelease moments_charge(NoiseMultiplier noise);
NoisyRelease votes_charge(NoiseMultiplier noise);
NoisyRelease votes_charge(LaplaceNoise noise);

/// Mean and covariance of feature vectors, with their noise: public.
struct FeatureMoments {
    std::vector<double> mean;       ///< [d]
    std::vector<double> covariance; ///< [d, d], symmetric, positive semi-definite up to rounding
    std::int64_t dimensions = 0;    ///< d
};

/// Public numbers of such a release.
struct MomentSettings {
    ClippingNorm clip;         ///< C of one unit's vector, from 1e-30 to 1e30
    std::int64_t dimensions;   ///< d, from 1 to 512
    std::int64_t public_units; ///< N, at least 1: what sums are divided by, never the true count
    /// a^2, from 0.001 to 0.999: the mean's part of the sensitivity, b^2 = 1 - a^2 is the
    /// covariance's.
    double mean_share = 0.5;
};

/// Sum over units of (a x / C, b vec(x x^T) / C^2), x being a unit's vector clipped to C: not
/// private until released. Of x x^T the upper triangle is kept, its entries off the diagonal times
/// sqrt(2), so that the squared norm of a unit's contribution is a^2 |x/C|^2 + b^2 |x/C|^4 <= 1:
/// the sensitivity is 1 under zero_out and add_remove, and mean and covariance together are one
/// Gaussian mechanism. Not thread-safe.
class MomentSum {
public:
    /// InvalidArgument: a setting out of its range. OutOfMemory: 4 d^2 bytes are not there.
    static Result<MomentSum> create(const MomentSettings& settings);
    MomentSum(MomentSum&&) noexcept = default;
    MomentSum& operator=(MomentSum&&) noexcept = default;

    /// Adds units, each of which may be added once: row-major, [units, d], a unit's images averaged
    /// already. One with a value that is not finite contributes zero. InvalidArgument: rows that
    /// are not whole. Refused: more than 2^26 units. Neither adds anything.
    Result<> add(std::span<const float> features);

    /// Mean and covariance with noise of standard deviation sigma on each element of the sum; uses
    /// up both. An empty sum releases noise alone. `noise`: a key of this ledger alone, the nonce
    /// is (line, kMomentsTensor). InvalidArgument, which leaves both as they were: `right` is not
    /// one Gaussian release, or has more noise than 2^20. OutOfMemory: 20 d^2 bytes are not there.
    Result<FeatureMoments> release(SpentRelease&& right, const core::StreamKey& noise) &&;

private:
    friend struct StatisticsSeam; // defined in tests only: reads, never makes
    explicit MomentSum(const MomentSettings& settings) : settings_(settings) {}
    MomentSettings settings_;
    std::int64_t units_ = 0;
    std::vector<std::int64_t> sums_; // [d + d (d + 1) / 2], in steps of the grid
    std::vector<double> unit_;       // scratch of add()
};

/// Whether counts below zero, which noise makes, are released as they are: sums of them have no
/// bias then. Both are the same release.
enum class BelowZero { Kept, SetToZero };

/// Histogram of the units' votes: not private until released. A unit's votes are not negative and
/// sum to 1 at most, which is its sensitivity in absolute values and in squares alike, under
/// zero_out and add_remove. Not thread-safe.
class VoteSum {
public:
    /// InvalidArgument: bins outside 1 to 2^20. OutOfMemory: 8 bytes for each are not there.
    static Result<VoteSum> create(std::int64_t bins);
    VoteSum(VoteSum&&) noexcept = default;
    VoteSum& operator=(VoteSum&&) noexcept = default;

    /// Adds units, each of which may vote once: row-major, [units, bins]. Votes of more than 1
    /// together are scaled down to 1; a unit with a vote below zero or not finite has none. Errors
    /// as MomentSum::add().
    Result<> add(std::span<const float> votes);
    /// One unit's whole vote for a bin, from 0; outside the bins it has none. Refused as above.
    Result<> add_vote(std::int64_t bin);

    /// Counts with the noise that was charged, on each bin; uses up both. Laplace noise is drawn by
    /// its inverse distribution function from 53 bits and a sign, and ends at ln 2^53 = 36.74
    /// scales, which a true one exceeds with probability 1.1e-16. Errors and `noise` as
    /// MomentSum::release(), with kVotesTensor; one Laplace release is a right as well.
    Result<std::vector<double>> release(SpentRelease&& right, const core::StreamKey& noise,
                                        BelowZero below_zero = BelowZero::Kept) &&;

private:
    friend struct StatisticsSeam;
    VoteSum() = default;
    std::int64_t units_ = 0;
    std::vector<std::int64_t> sums_; // in steps of the grid
};

/// Replaces a symmetric matrix, [d, d] with d from 1 to 512, by the nearest positive semi-definite
/// one in the Frobenius norm: eigenvalues below zero become zero (Higham, Linear Algebra and its
/// Applications 103, 1988, theorem 2.1). The upper triangle is read. Takes time of d^3.
/// InvalidArgument: another size, or values beyond 1e300. OutOfMemory: 8 d^2 bytes are not there.
Result<> make_positive(std::span<double> matrix, std::int64_t dimensions);

} // namespace velamen::privacy
