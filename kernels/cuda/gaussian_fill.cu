// SPDX-License-Identifier: GPL-3.0-or-later
//
// One thread a ChaCha20 block, one warp a group: neighbouring threads write neighbouring normals.

#include "kernels/api/gaussian_fill.h"

#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/noise.cuh"

namespace velamen::kernels::cuda {

namespace {

__global__ void gaussian_fill_kernel(ChaChaWords state, BlockRange range, std::uint64_t first,
                                     float stddev, float* out, std::uint64_t count)
{
    const std::uint64_t stride = static_cast<std::uint64_t>(gridDim.x) * blockDim.x;
    for (std::uint64_t i = blockIdx.x * static_cast<std::uint64_t>(blockDim.x) + threadIdx.x;
         i < range.count; i += stride) {
        const std::uint64_t block = range.first + i;
        float normals[16];
        normals_of_block(state, static_cast<std::uint32_t>(block), normals);
#pragma unroll
        for (int row = 0; row < 16; ++row) {
            const std::uint64_t position = position_of(block, row);
            if (position >= first && position < first + count)
                out[position - first] = stddev * normals[row];
        }
    }
}

} // namespace

Status gaussian_fill(Stream stream, const GaussianFill& job) noexcept
{
    if (job.id == nullptr || job.first > kNormalsPerStream
        || job.out.size() > kNormalsPerStream - job.first)
        return Status::InvalidArgument;
    if (job.out.empty()) return Status::Ok;
    const BlockRange range = blocks_of(job.first, job.out.size());
    gaussian_fill_kernel<<<blocks_for(range.count), kThreads, 0, native(stream)>>>(
        words_of(*job.id), range, job.first, job.stddev, job.out.data(), job.out.size());
    return launched();
}

} // namespace velamen::kernels::cuda
