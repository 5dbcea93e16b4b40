// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/privacy/class_moments.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "engine/core/assert.h"
#include "engine/privacy/noisy_sum.h"
#include "engine/privacy/statistics.h"

namespace velamen::privacy {

namespace {

constexpr std::int64_t kMaxDimensions = 512;
constexpr std::int64_t kMaxClasses = 65'536;
constexpr double kSmallestClip = 1e-30;
constexpr double kLargestClip = 1e30;
/// a : b. Counts need less room than means, but divide them: their noise must not decide.
constexpr double kCountWeight = 0.3;
const double kA = kCountWeight / std::sqrt(kCountWeight * kCountWeight + 2.0);
const double kB = 1.0 / std::sqrt(kCountWeight * kCountWeight + 2.0);
/// A class with fewer images than this many standard deviations of its count's noise has no mean.
constexpr double kDrowned = 4.0;

} // namespace

NoisyRelease class_moments_charge(NoiseMultiplier noise)
{
    return {"class_moments", SubsampledGaussian{SamplingRate::literal(1.0), noise}, 1};
}

Result<ClassMomentSum> ClassMomentSum::create(const ClassMomentSettings& settings)
{
    if (settings.dimensions < 1 || settings.dimensions > kMaxDimensions)
        return fail(ErrorCode::InvalidArgument,
                    "latents of " + std::to_string(settings.dimensions)
                        + " dimensions have no class moments here",
                    "give between 1 and 512 dimensions: a warm start is for small latents");
    if (settings.classes < 1 || settings.classes > kMaxClasses)
        return fail(ErrorCode::InvalidArgument,
                    std::to_string(settings.classes) + " classes have no class moments here",
                    "give between 1 and 65536 classes");
    if (!(settings.clip.value() >= kSmallestClip && settings.clip.value() <= kLargestClip))
        return fail(ErrorCode::InvalidArgument, "the clipping norm of the latents is out of range",
                    "give a clipping norm between 1e-30 and 1e30");
    if (settings.public_units < 1)
        return fail(ErrorCode::InvalidArgument,
                    "the public number of units is " + std::to_string(settings.public_units),
                    "give at least 1");
    if (!(settings.floor >= 0.0 && std::isfinite(settings.floor)))
        return fail(ErrorCode::InvalidArgument,
                    "the floor of a covariance is " + std::to_string(settings.floor),
                    "give a number from 0 up");
    ClassMomentSum sum(settings);
    const auto d = static_cast<std::size_t>(settings.dimensions);
    const auto classes = static_cast<std::size_t>(settings.classes);
    const std::size_t size = classes + classes * d + d * (d + 1) / 2;
    VELAMEN_ASSIGN(sum.sums_, zeros<std::int64_t>(size));
    VELAMEN_ASSIGN(sum.unit_, zeros<double>(size));
    return sum;
}

Result<> ClassMomentSum::add(std::span<const float> images, std::span<const std::int64_t> classes)
{
    VELAMEN_ASSERT(!sums_.empty());
    const auto d = static_cast<std::size_t>(settings_.dimensions);
    const auto class_count = static_cast<std::size_t>(settings_.classes);
    if (classes.empty() || images.size() != classes.size() * d)
        return fail(ErrorCode::InvalidArgument, "a unit's images and classes do not fit each other",
                    "give one class and all values for every image");
    VELAMEN_TRY(count_rows(1, 1, units_));
    ++units_;
    std::ranges::fill(unit_, 0.0);
    const double share = 1.0 / (static_cast<double>(classes.size()) * kNormMargin);
    for (std::size_t image = 0; image < classes.size(); ++image) {
        const auto z = images.subspan(image * d, d);
        double squares = 0.0; // finite floats cannot make it overflow
        for (const float value : z)
            squares += static_cast<double>(value) * value;
        const std::int64_t known = classes[image];
        if (!std::isfinite(squares) || known < 0 || known >= settings_.classes) continue;
        const auto c = static_cast<std::size_t>(known);
        const double divisor = std::max(std::sqrt(squares) * kNormMargin, settings_.clip.value());
        unit_[c] += share * kA;
        double* mean = unit_.data() + class_count + c * d;
        double* second = unit_.data() + class_count + class_count * d;
        for (std::size_t i = 0; i < d; ++i) {
            const double zi = z[i] / divisor;
            mean[i] += share * kB * zi;
            *second++ += share * kB * zi * zi;
            const double twice = share * kB * std::numbers::sqrt2 * zi;
            for (std::size_t j = i + 1; j < d; ++j)
                *second++ += twice * (z[j] / divisor);
        }
    }
    for (std::size_t i = 0; i < sums_.size(); ++i)
        sums_[i] += steps_of(unit_[i]);
    return {};
}

Result<ClassMoments> ClassMomentSum::release(SpentRelease&& right, const core::StreamKey& noise) &&
{
    VELAMEN_ASSERT(right.is_live() && !sums_.empty());
    VELAMEN_ASSIGN(const ChargedNoise charged, noise_of(right));
    if (charged.is_laplace)
        return fail(no_right("class moments are not released with Laplace noise"));
    const auto d = static_cast<std::size_t>(settings_.dimensions);
    const auto classes = static_cast<std::size_t>(settings_.classes);
    ClassMoments out{.dimensions = settings_.dimensions};
    VELAMEN_ASSIGN(out.shares, zeros<double>(classes));
    VELAMEN_ASSIGN(out.means, zeros<double>(classes * d));
    VELAMEN_ASSIGN(out.covariance, zeros<double>(d * d));
    VELAMEN_ASSIGN(std::vector<double> overall, zeros<double>(d));

    const SpentRelease used(std::move(right));
    const std::vector<std::int64_t> sums(std::move(sums_));
    core::SecureStream stream(noise, static_cast<std::uint64_t>(used.line()), kClassMomentsTensor);
    std::vector<double> noisy = std::move(unit_);
    add_noise(sums, charged, stream, noisy);

    // From here on everything is a function of what has been released.
    const double clip = settings_.clip.value();
    const auto units = static_cast<double>(settings_.public_units);
    const double least = kDrowned * charged.scale / kA;
    double total = 0.0;
    for (std::size_t c = 0; c < classes; ++c)
        total += out.shares[c] = std::max(0.0, noisy[c] / kA);
    for (std::size_t c = 0; c < classes; ++c)
        for (std::size_t i = 0; i < d; ++i)
            overall[i] += noisy[classes + c * d + i] / kB * clip / units;
    for (std::size_t c = 0; c < classes; ++c)
        for (std::size_t i = 0; i < d; ++i)
            out.means[c * d + i] = out.shares[c] > least
                ? noisy[classes + c * d + i] / kB * clip / out.shares[c]
                : overall[i];
    for (double& share : out.shares)
        share = total > 0.0 ? share / total : 1.0 / static_cast<double>(classes);
    const double* second = noisy.data() + classes + classes * d;
    for (std::size_t i = 0; i < d; ++i)
        for (std::size_t j = i; j < d; ++j) {
            double within =
                *second++ / kB * clip * clip / units / (i == j ? 1.0 : std::numbers::sqrt2);
            for (std::size_t c = 0; c < classes; ++c)
                within -= out.shares[c] * out.means[c * d + i] * out.means[c * d + j];
            out.covariance[i * d + j] = within - (i == j ? settings_.floor : 0.0);
        }
    VELAMEN_TRY(make_positive(out.covariance, out.dimensions));
    for (std::size_t i = 0; i < d; ++i)
        out.covariance[i * d + i] += settings_.floor;
    return out;
}

} // namespace velamen::privacy
