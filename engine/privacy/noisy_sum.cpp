// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/privacy/noisy_sum.h"

#include <cmath>

namespace velamen::privacy {

namespace {

constexpr double kMaxNoise = 0x1p20;

double laplace(core::SecureStream& stream)
{
    const std::uint64_t word = stream.next_u64();
    const double u = 1.0 - static_cast<double>(word >> 11) * 0x1p-53; // in (0, 1]
    return (word & 1) != 0 ? std::log(u) : -std::log(u);
}

} // namespace

Result<std::int64_t> count_rows(std::size_t values, std::size_t width, std::int64_t known)
{
    if (values % width != 0)
        return fail(ErrorCode::InvalidArgument,
                    std::to_string(values) + " values are no whole units of "
                        + std::to_string(width),
                    "give all values of every unit");
    if (values / width > static_cast<std::size_t>(kMostSummedUnits - known))
        return fail(ErrorCode::Refused, "a statistic has more units than its exact sum can hold",
                    "give at most 2^26 units");
    return static_cast<std::int64_t>(values / width);
}

Error no_right(const std::string& what)
{
    return {ErrorCode::InvalidArgument, what,
            "reserve one Gaussian release in the ledger, or, for votes, one with Laplace noise"};
}

Result<ChargedNoise> noise_of(const SpentRelease& right)
{
    const NoisyRelease& release = right.release();
    if (release.times != 1)
        return fail(no_right("the ledger was charged for " + std::to_string(release.times)
                             + " releases, but a statistic is released once"));
    ChargedNoise noise{false, 0.0};
    if (const auto* laplace = std::get_if<LaplaceNoise>(&release.event)) {
        noise = {true, laplace->scale.value()};
    } else {
        const auto* gaussian = std::get_if<SubsampledGaussian>(&release.event);
        if (gaussian == nullptr || gaussian->rate.value() != 1.0)
            return fail(no_right("the ledger was charged for \"" + type_of(release)
                                 + "\", which is not the noise of a statistic"));
        noise.scale = gaussian->noise.value();
    }
    if (noise.scale > kMaxNoise)
        return fail(ErrorCode::InvalidArgument,
                    "the noise multiplier " + std::to_string(noise.scale)
                        + " is too large for the exact sum of a statistic",
                    "release it with a noise multiplier of 2^20 at most");
    return noise;
}

void add_noise(std::span<const std::int64_t> sums, const ChargedNoise& noise,
               core::SecureStream& stream, std::span<double> out)
{
    for (std::size_t i = 0; i < sums.size(); ++i) {
        const double z = noise.is_laplace ? laplace(stream) : stream.normal();
        out[i] = static_cast<double>(sums[i] + std::llrint(noise.scale * z * kSumGrid)) / kSumGrid;
    }
}

} // namespace velamen::privacy
