// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/privacy/statistics.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "engine/core/assert.h"
#include "engine/privacy/noisy_sum.h"

namespace velamen::privacy {

namespace {

constexpr std::int64_t kMaxDimensions = 512;
constexpr std::int64_t kMaxBins = std::int64_t{1} << 20;
constexpr double kSmallestClip = 1e-30;
constexpr double kLargestClip = 1e30;
constexpr double kLeastShare = 0.001;
constexpr double kLargestValue = 1e300; // of a matrix: sums of 512 stay finite

/// Turns two rows in their plane so that they become orthogonal, when they are not; their squared
/// norms follow.
bool orthogonalise(std::span<double> p, std::span<double> q, double& pp, double& qq)
{
    constexpr double kSmall = 1e-14; // of both norms: above the rounding of 512 products
    const double pq = std::inner_product(p.begin(), p.end(), q.begin(), 0.0);
    if (std::abs(pq) <= kSmall * std::sqrt(pp * qq)) return false;
    const double zeta = (qq - pp) / (2.0 * pq);
    const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::hypot(zeta, 1.0));
    const double c = 1.0 / std::hypot(t, 1.0), s = t * c;
    for (std::size_t i = 0; i < p.size(); ++i) {
        const double old = p[i];
        p[i] = c * old - s * q[i];
        q[i] = s * old + c * q[i];
    }
    pp -= t * pq;
    qq += t * pq;
    return true;
}

/// Replaces a symmetric positive definite matrix by rows that are eigenvectors, each as long as its
/// eigenvalue, which goes to `values`: one-sided Jacobi rotations (Hestenes, Journal of SIAM 6,
/// 1958).
void turn_to_eigenvectors(std::span<double> rows, std::span<double> values)
{
    constexpr int kMostSweeps = 60; // far fewer are needed
    const std::size_t n = values.size();
    const auto row = [&](std::size_t k) { return rows.subspan(k * n, n); };
    const auto square = [&](std::size_t k) {
        return std::inner_product(row(k).begin(), row(k).end(), row(k).begin(), 0.0);
    };
    bool is_turning = true;
    for (int sweep = 0; sweep < kMostSweeps && is_turning; ++sweep) {
        is_turning = false;
        for (std::size_t k = 0; k < n; ++k)
            values[k] = square(k);
        for (std::size_t p = 0; p < n; ++p)
            for (std::size_t q = p + 1; q < n; ++q)
                if (orthogonalise(row(p), row(q), values[p], values[q])) is_turning = true;
    }
    for (std::size_t k = 0; k < n; ++k)
        values[k] = std::sqrt(square(k));
}

/// The upper triangle's values in the lower one.
void mirror(std::span<double> matrix, std::size_t n)
{
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = i + 1; j < n; ++j)
            matrix[j * n + i] = matrix[i * n + j];
}

} // namespace

NoisyRelease moments_charge(NoiseMultiplier noise)
{
    return {"feature_moments", SubsampledGaussian{SamplingRate::literal(1.0), noise}, 1};
}

NoisyRelease votes_charge(NoiseMultiplier noise)
{
    return {"class_votes", SubsampledGaussian{SamplingRate::literal(1.0), noise}, 1};
}

NoisyRelease votes_charge(LaplaceNoise noise) { return {"class_votes", noise, 1}; }

Result<MomentSum> MomentSum::create(const MomentSettings& settings)
{
    if (settings.dimensions < 1 || settings.dimensions > kMaxDimensions)
        return fail(ErrorCode::InvalidArgument,
                    "features of " + std::to_string(settings.dimensions)
                        + " dimensions have no covariance here",
                    "give between 1 and 512 dimensions");
    if (!(settings.clip.value() >= kSmallestClip && settings.clip.value() <= kLargestClip))
        return fail(ErrorCode::InvalidArgument, "the clipping norm of the features is out of range",
                    "give a clipping norm between 1e-30 and 1e30");
    if (settings.public_units < 1)
        return fail(ErrorCode::InvalidArgument,
                    "the public number of units is " + std::to_string(settings.public_units),
                    "give at least 1");
    if (!(settings.mean_share >= kLeastShare && settings.mean_share <= 1.0 - kLeastShare))
        return fail(ErrorCode::InvalidArgument,
                    "the mean's share is " + std::to_string(settings.mean_share),
                    "give a share between 0.001 and 0.999");
    MomentSum sum(settings);
    const auto d = static_cast<std::size_t>(settings.dimensions);
    VELAMEN_ASSIGN(sum.sums_, zeros<std::int64_t>(d + d * (d + 1) / 2));
    VELAMEN_ASSIGN(sum.unit_, zeros<double>(d));
    return sum;
}

Result<> MomentSum::add(std::span<const float> features)
{
    VELAMEN_ASSERT(!sums_.empty());
    const std::size_t d = unit_.size();
    VELAMEN_ASSIGN(const std::int64_t rows, count_rows(features.size(), d, units_));
    units_ += rows;
    const double a = std::sqrt(settings_.mean_share), b = std::sqrt(1.0 - settings_.mean_share);
    for (; !features.empty(); features = features.subspan(d)) {
        double squares = 0.0; // finite floats cannot make it overflow
        for (const float value : features.first(d))
            squares += static_cast<double>(value) * value;
        if (!std::isfinite(squares)) continue;
        const double divisor = std::max(std::sqrt(squares) * kNormMargin, settings_.clip.value());
        for (std::size_t i = 0; i < d; ++i)
            unit_[i] = features[i] / divisor;
        std::size_t at = 0;
        for (std::size_t i = 0; i < d; ++i)
            sums_[at++] += steps_of(a * unit_[i]);
        for (std::size_t i = 0; i < d; ++i) {
            sums_[at++] += steps_of(b * unit_[i] * unit_[i]);
            const double twice = std::numbers::sqrt2 * b * unit_[i];
            for (std::size_t j = i + 1; j < d; ++j)
                sums_[at++] += steps_of(twice * unit_[j]);
        }
    }
    return {};
}

Result<FeatureMoments> MomentSum::release(SpentRelease&& right, const core::StreamKey& noise) &&
{
    VELAMEN_ASSERT(right.is_live() && !sums_.empty());
    VELAMEN_ASSIGN(const ChargedNoise charged, noise_of(right));
    if (charged.is_laplace)
        return fail(no_right("mean and covariance are not released with Laplace noise"));
    const std::size_t d = unit_.size();
    FeatureMoments out{.dimensions = settings_.dimensions};
    VELAMEN_ASSIGN(out.mean, zeros<double>(d));
    VELAMEN_ASSIGN(out.covariance, zeros<double>(d * d));
    VELAMEN_ASSIGN(std::vector<double> noisy, zeros<double>(sums_.size()));

    const SpentRelease used(std::move(right));
    const std::vector<std::int64_t> sums(std::move(sums_));
    core::SecureStream stream(noise, static_cast<std::uint64_t>(used.line()), kMomentsTensor);
    add_noise(sums, charged, stream, noisy);

    // From here on everything is a function of what has been released.
    const double clip = settings_.clip.value();
    const auto units = static_cast<double>(settings_.public_units);
    const double to_mean = clip / (std::sqrt(settings_.mean_share) * units);
    const double to_second = clip * clip / (std::sqrt(1.0 - settings_.mean_share) * units);
    std::size_t at = 0;
    for (double& mean : out.mean)
        mean = noisy[at++] * to_mean;
    for (std::size_t i = 0; i < d; ++i)
        for (std::size_t j = i; j < d; ++j) {
            const double second = noisy[at++] * to_second / (i == j ? 1.0 : std::numbers::sqrt2);
            out.covariance[i * d + j] = second - out.mean[i] * out.mean[j];
        }
    VELAMEN_TRY(make_positive(out.covariance, out.dimensions));
    return out;
}

Result<VoteSum> VoteSum::create(std::int64_t bins)
{
    if (bins < 1 || bins > kMaxBins)
        return fail(ErrorCode::InvalidArgument,
                    "votes cannot be counted in " + std::to_string(bins) + " bins",
                    "give between 1 and 2^20 bins");
    VoteSum sum;
    VELAMEN_ASSIGN(sum.sums_, zeros<std::int64_t>(static_cast<std::size_t>(bins)));
    return sum;
}

Result<> VoteSum::add(std::span<const float> votes)
{
    VELAMEN_ASSERT(!sums_.empty());
    const std::size_t bins = sums_.size();
    VELAMEN_ASSIGN(const std::int64_t rows, count_rows(votes.size(), bins, units_));
    units_ += rows;
    for (; !votes.empty(); votes = votes.subspan(bins)) {
        const auto unit = votes.first(bins);
        double total = 0.0; // finite floats cannot make it overflow
        for (const float vote : unit)
            total += static_cast<double>(vote);
        const bool is_valid = std::isfinite(total)
            && std::ranges::all_of(unit, [](float vote) { return vote >= 0.0F; });
        if (!is_valid) continue;
        const double divisor = std::max(total * kNormMargin, 1.0);
        for (std::size_t i = 0; i < bins; ++i)
            sums_[i] += steps_of(unit[i] / divisor);
    }
    return {};
}

Result<> VoteSum::add_vote(std::int64_t bin)
{
    VELAMEN_ASSERT(!sums_.empty());
    VELAMEN_TRY(count_rows(1, 1, units_));
    ++units_;
    if (bin >= 0 && bin < static_cast<std::int64_t>(sums_.size()))
        sums_[static_cast<std::size_t>(bin)] += steps_of(1.0);
    return {};
}

Result<std::vector<double>> VoteSum::release(SpentRelease&& right, const core::StreamKey& noise,
                                             BelowZero below_zero) &&
{
    VELAMEN_ASSERT(right.is_live() && !sums_.empty());
    VELAMEN_ASSIGN(const ChargedNoise charged, noise_of(right));
    VELAMEN_ASSIGN(std::vector<double> counts, zeros<double>(sums_.size()));

    const SpentRelease used(std::move(right));
    const std::vector<std::int64_t> sums(std::move(sums_));
    core::SecureStream stream(noise, static_cast<std::uint64_t>(used.line()), kVotesTensor);
    add_noise(sums, charged, stream, counts);
    if (below_zero == BelowZero::SetToZero)
        for (double& count : counts)
            count = std::max(count, 0.0);
    return counts;
}

Result<> make_positive(std::span<double> matrix, std::int64_t dimensions)
{
    const auto n = static_cast<std::size_t>(std::max<std::int64_t>(dimensions, 0));
    if (dimensions < 1 || dimensions > kMaxDimensions || matrix.size() != n * n)
        return fail(ErrorCode::InvalidArgument,
                    std::to_string(matrix.size()) + " values are no matrix of "
                        + std::to_string(dimensions) + " dimensions",
                    "give a square matrix of 1 to 512 dimensions");
    double largest = 0.0;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = i; j < n; ++j) {
            if (!(std::abs(matrix[i * n + j]) <= kLargestValue))
                return fail(ErrorCode::InvalidArgument, "a value of the matrix is out of range",
                            "give values between -1e300 and 1e300");
            largest = std::max(largest, std::abs(matrix[i * n + j]));
        }
    mirror(matrix, n);
    if (largest == 0.0) return {};
    VELAMEN_ASSIGN(std::vector<double> rows, zeros<double>(n * n));
    VELAMEN_ASSIGN(std::vector<double> values, zeros<double>(n));
    double squares = 0.0;
    for (std::size_t i = 0; i < n * n; ++i) {
        rows[i] = matrix[i] / largest;
        squares += rows[i] * rows[i];
    }
    // Eigenvalues are at most the Frobenius norm in size: twice that makes all of them positive.
    const double shift = 2.0 * std::sqrt(squares);
    for (std::size_t i = 0; i < n; ++i)
        rows[i * n + i] += shift;
    turn_to_eigenvectors(rows, values);
    if (std::ranges::all_of(values, [&](double value) { return value >= shift; })) return {};

    std::ranges::fill(matrix, 0.0);
    for (std::size_t k = 0; k < n; ++k) {
        if (!(values[k] > shift)) continue;
        const double factor = (values[k] - shift) * largest;
        const std::span<double> v = std::span(rows).subspan(k * n, n);
        for (double& part : v)
            part /= values[k];
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = i; j < n; ++j)
                matrix[i * n + j] += factor * v[i] * v[j];
    }
    mirror(matrix, n);
    return {};
}

} // namespace velamen::privacy
