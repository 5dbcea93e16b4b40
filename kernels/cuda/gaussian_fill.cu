// SPDX-License-Identifier: GPL-3.0-or-later
//
// One thread a ChaCha20 block.

#include "kernels/api/gaussian_fill.h"

#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/noise.cuh"

namespace velamen::kernels::cuda {

namespace {

__global__ void gaussian_fill_kernel(ChaChaWords state, std::uint64_t first, float stddev,
                                     float* out, std::uint64_t count)
{
    const std::uint64_t first_block = first / 8;
    const std::uint64_t blocks = (first + count + 7) / 8 - first_block;
    const std::uint64_t stride = static_cast<std::uint64_t>(gridDim.x) * blockDim.x;
    for (std::uint64_t b = blockIdx.x * static_cast<std::uint64_t>(blockDim.x) + threadIdx.x;
         b < blocks; b += stride) {
        float normals[8];
        normals_of_block(state, static_cast<std::uint32_t>(first_block + b), normals);
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            const std::uint64_t position = (first_block + b) * 8 + k;
            if (position >= first && position < first + count)
                out[position - first] = stddev * normals[k];
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
    gaussian_fill_kernel<<<blocks_for(job.out.size() / 8 + 2), kThreads, 0, native(stream)>>>(
        words_of(*job.id), job.first, job.stddev, job.out.data(), job.out.size());
    return launched();
}

} // namespace velamen::kernels::cuda
