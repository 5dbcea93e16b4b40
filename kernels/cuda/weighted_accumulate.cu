// SPDX-License-Identifier: GPL-3.0-or-later
//
// One thread a column; units are read in order, so the sum does not depend on the launch.

#include "kernels/api/weighted_accumulate.h"

#include "kernels/cuda/device/launch.cuh"

namespace velamen::kernels::cuda {

namespace {

__global__ void weighted_accumulate_kernel(std::size_t units, std::size_t width, const float* rows,
                                           const float* weights, float* accumulator)
{
    const std::size_t stride = static_cast<std::size_t>(gridDim.x) * blockDim.x;
    for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < width;
         i += stride) {
        float total = accumulator[i];
        for (std::size_t u = 0; u < units; ++u) {
            const float weight = weights[u];
            if (weight != 0.0F) total += weight * rows[u * width + i];
        }
        accumulator[i] = total;
    }
}

} // namespace

Status weighted_accumulate(Stream stream, const WeightedAccumulate& job) noexcept
{
    if (job.rows.size() != job.units * job.width || job.weights.size() != job.units
        || job.accumulator.size() != job.width)
        return Status::InvalidArgument;
    if (job.width == 0) return Status::Ok;
    weighted_accumulate_kernel<<<blocks_for(job.width), kThreads, 0, native(stream)>>>(
        job.units, job.width, job.rows.data(), job.weights.data(), job.accumulator.data());
    return launched();
}

} // namespace velamen::kernels::cuda
