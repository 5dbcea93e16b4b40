// SPDX-License-Identifier: GPL-3.0-or-later
//
// The passes of a group norm on the CPU. Each call runs in its thread; callers split pixels or
// samples between threads.

#include "kernels/api/channel_norm.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "kernels/cpu/loop.h"

namespace velamen::kernels::cpu {

namespace {

constexpr std::size_t kWidth = 256; ///< channels at a time: their sums stay in the nearest cache
constexpr std::size_t kRun = 32;    ///< pixels added up in fp32 before they go into the double

/// e^x with an error of about one unit in the last place; x is at most 88 and taken as at least
/// -87. 2^n e^r with |r| <= ln 2 / 2.
[[gnu::always_inline]] inline float exponential(float x)
{
    constexpr float kRound = 12582912.0F; // 1.5 2^23: adding it rounds to a whole number
    constexpr float kLog2E = 1.44269504F;
    constexpr float kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
    x = x < -87.0F ? -87.0F : x;
    x = x > 88.0F ? 88.0F : x;
    const float shifted = x * kLog2E + kRound;
    const float n = shifted - kRound;
    const float r = (x - n * kLn2High) - n * kLn2Low;
    float p = 1.9875691e-4F;
    p = p * r + 1.3981999e-3F;
    p = p * r + 8.3334519e-3F;
    p = p * r + 4.1665796e-2F;
    p = p * r + 1.6666666e-1F;
    p = p * r + 5.0000000e-1F;
    const float e = (p * r * r + r) + 1.0F;
    const auto power = std::bit_cast<std::uint32_t>(shifted) << 23U; // the low bits are n
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(e) + power);
}

} // namespace

VELAMEN_KERNEL_CLONES
void sums_of_run(const float* x, std::size_t stride, std::size_t pixels, std::size_t width,
                 double* sums)
{
    std::array<float, kWidth> run{};
    for (std::size_t p = 0; p < pixels; ++p) {
        const float* row = x + p * stride;
        VELAMEN_INDEPENDENT_TURNS
        for (std::size_t c = 0; c < width; ++c)
            run[c] += row[c];
    }
    for (std::size_t c = 0; c < width; ++c)
        sums[c] += run[c];
}

VELAMEN_KERNEL_CLONES
void squares_of_run(const float* x, const float* centre, std::size_t stride, std::size_t pixels,
                    std::size_t width, double* sums)
{
    std::array<float, kWidth> run{};
    for (std::size_t p = 0; p < pixels; ++p) {
        const float* row = x + p * stride;
        VELAMEN_INDEPENDENT_TURNS
        for (std::size_t c = 0; c < width; ++c) {
            const float away = row[c] - centre[c];
            run[c] += away * away;
        }
    }
    for (std::size_t c = 0; c < width; ++c)
        sums[c] += run[c];
}

VELAMEN_KERNEL_CLONES
void affine_row(const float* x, const float* centre, const float* scale, const float* shift,
                std::size_t channels, float* y)
{
    VELAMEN_INDEPENDENT_TURNS
    for (std::size_t c = 0; c < channels; ++c)
        y[c] = (x[c] - centre[c]) * scale[c] + shift[c];
}

VELAMEN_KERNEL_CLONES
void affine_silu_row(const float* x, const float* centre, const float* scale, const float* shift,
                     std::size_t channels, float* y)
{
    VELAMEN_INDEPENDENT_TURNS
    for (std::size_t c = 0; c < channels; ++c) {
        const float v = (x[c] - centre[c]) * scale[c] + shift[c];
        y[c] = v / (1.0F + exponential(-v));
    }
}

Status channel_sums(Stream, const ChannelSums& job) noexcept
{
    if (job.input.size() != job.pixels * job.channels || job.sums.size() != job.channels
        || (!job.centre.empty() && job.centre.size() != job.channels))
        return Status::InvalidArgument;
    std::ranges::fill(job.sums, 0.0);
    for (std::size_t p = 0; p < job.pixels; p += kRun) {
        const std::size_t pixels = std::min(kRun, job.pixels - p);
        for (std::size_t c = 0; c < job.channels; c += kWidth) {
            const std::size_t width = std::min(kWidth, job.channels - c);
            const float* x = job.input.data() + p * job.channels + c;
            double* sums = job.sums.data() + c;
            if (job.centre.empty())
                sums_of_run(x, job.channels, pixels, width, sums);
            else
                squares_of_run(x, job.centre.data() + c, job.channels, pixels, width, sums);
        }
    }
    return Status::Ok;
}

Status channel_affine(Stream, const ChannelAffine& job) noexcept
{
    if (job.input.size() != job.pixels * job.channels || job.output.size() != job.input.size()
        || job.centre.size() != job.channels || job.scale.size() != job.channels
        || job.shift.size() != job.channels)
        return Status::InvalidArgument;
    const auto row = job.has_silu ? affine_silu_row : affine_row;
    for (std::size_t p = 0; p < job.pixels; ++p)
        row(job.input.data() + p * job.channels, job.centre.data(), job.scale.data(),
            job.shift.data(), job.channels, job.output.data() + p * job.channels);
    return Status::Ok;
}

} // namespace velamen::kernels::cpu
