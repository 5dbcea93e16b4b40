// SPDX-License-Identifier: GPL-3.0-or-later

#include "kernels/api/gaussian_fill.h"

#include <algorithm>

#include "kernels/cpu/noise_lanes.h"
#include "kernels/cpu/wide.h"

namespace velamen::kernels::cpu {

void refine_tail(const ChaChaState& state, std::uint32_t first_block,
                 const std::uint32_t (&words)[kNoiseGroup], float (&out)[kNoiseGroup])
{
    std::uint32_t refining[kNoiseGroup];
    for (std::size_t at = 0; at < kNoiseGroup; at += 2 * kNoiseLanes)
        for (std::size_t lane = 0; lane < kNoiseLanes; ++lane) {
            const std::uint32_t a = words[at + lane];
            if (a >= kRefinedBelow) continue;
            const auto block = first_block + static_cast<std::uint32_t>(lane);
            chacha_blocks<4, 1>(state, block + kRefiningBlocks, refining, [](std::size_t) {});
            const double u = (a * 0x1p32 + refining[at] + 0.5) * 0x1p-64;
            const double radius = std::sqrt(-2.0 * std::log(u));
            const double angle =
                2.0 * std::numbers::pi * (words[at + kNoiseLanes + lane] + 0.5) * 0x1p-32;
            out[at + lane] = static_cast<float>(radius * std::cos(angle));
            out[at + kNoiseLanes + lane] = static_cast<float>(radius * std::sin(angle));
        }
}

namespace {

template <std::size_t kVector>
[[gnu::always_inline]] inline void fill(const ChaChaState& state, std::uint64_t first, float stddev,
                                        float* out, std::size_t count)
{
    alignas(64) float normals[kNoiseGroup];
    std::size_t done = 0;
    while (done < count) {
        const std::uint64_t position = first + done;
        const std::size_t skip = static_cast<std::size_t>(position % kNoiseGroup);
        normals_of_group<kVector>(state, position / kNoiseGroup, normals, [](std::size_t) {});
        const std::size_t take = std::min(count - done, kNoiseGroup - skip);
        for (std::size_t i = 0; i < take; ++i)
            out[done + i] = stddev * normals[skip + i];
        done += take;
    }
}

} // namespace

VELAMEN_KERNEL_CLONES
void fill_normals(const ChaChaState& state, std::uint64_t first, float stddev, float* out,
                  std::size_t count)
{
    fill<8>(state, first, stddev, out, count);
}

VELAMEN_WIDE_CLONE
void fill_wide_normals(const ChaChaState& state, std::uint64_t first, float stddev, float* out,
                       std::size_t count)
{
    fill<16>(state, first, stddev, out, count);
}

Status gaussian_fill(Stream, const GaussianFill& job) noexcept
{
    if (job.id == nullptr || job.first > kNormalsPerStream
        || job.out.size() > kNormalsPerStream - job.first)
        return Status::InvalidArgument;
    const auto run = has_wide_vectors() ? fill_wide_normals : fill_normals;
    run(ChaChaState(*job.id), job.first, job.stddev, job.out.data(), job.out.size());
    return Status::Ok;
}

} // namespace velamen::kernels::cpu
