// SPDX-License-Identifier: GPL-3.0-or-later

#include "kernels/api/gaussian_fill.h"

#include <algorithm>

#include "kernels/cpu/noise_lanes.h"

namespace velamen::kernels::cpu {

VELAMEN_KERNEL_CLONES
void fill_normals(const ChaChaState& state, std::uint64_t first, float stddev, float* out,
                  std::size_t count)
{
    float normals[kLaneNormals];
    std::uint64_t position = first;
    std::size_t done = 0;
    while (done < count) {
        const std::size_t skip = static_cast<std::size_t>(position % 8);
        normals_of_blocks(state, static_cast<std::uint32_t>(position / 8), normals);
        const std::size_t take = std::min(count - done, kLaneNormals - skip);
        for (std::size_t i = 0; i < take; ++i)
            out[done + i] = stddev * normals[skip + i];
        done += take;
        position += take;
    }
}

Status gaussian_fill(Stream, const GaussianFill& job) noexcept
{
    if (job.id == nullptr || job.first > kNormalsPerStream
        || job.out.size() > kNormalsPerStream - job.first)
        return Status::InvalidArgument;
    fill_normals(ChaChaState(*job.id), job.first, job.stddev, job.out.data(), job.out.size());
    return Status::Ok;
}

} // namespace velamen::kernels::cpu
