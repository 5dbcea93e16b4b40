// SPDX-License-Identifier: GPL-3.0-or-later
//
// One block a unit and slice of columns; neighbouring threads read neighbouring columns.

#include "kernels/api/layer_norm_sums.h"

#include "kernels/cuda/device/launch.cuh"

namespace velamen::kernels::cuda {

namespace {

__global__ void layer_norm_sums_kernel(std::size_t tokens, std::size_t width, const float* input,
                                       const float* output_grad, const float* mean,
                                       const float* rstd, float* weight_grad, float* bias_grad)
{
    const std::size_t unit = blockIdx.x;
    for (std::size_t c = blockIdx.y * blockDim.x + threadIdx.x; c < width;
         c += static_cast<std::size_t>(gridDim.y) * blockDim.x) {
        float weight = 0.0F;
        float bias = 0.0F;
        for (std::size_t t = 0; t < tokens; ++t) {
            const std::size_t row = unit * tokens + t;
            const float g = output_grad[row * width + c];
            weight += g * ((input[row * width + c] - mean[row]) * rstd[row]);
            bias += g;
        }
        weight_grad[unit * width + c] = weight;
        bias_grad[unit * width + c] = bias;
    }
}

} // namespace

Status layer_norm_sums(Stream stream, const LayerNormSums& job) noexcept
{
    const std::size_t rows = job.units * job.tokens;
    if (job.input.size() != rows * job.width || job.output_grad.size() != job.input.size()
        || job.mean.size() != rows || job.inverse_stddev.size() != rows
        || job.weight_grad.size() != job.units * job.width
        || job.bias_grad.size() != job.weight_grad.size())
        return Status::InvalidArgument;
    if (job.units == 0 || job.width == 0) return Status::Ok;
    const dim3 grid(static_cast<unsigned>(job.units), blocks_for(job.width));
    layer_norm_sums_kernel<<<grid, kThreads, 0, native(stream)>>>(
        job.tokens, job.width, job.input.data(), job.output_grad.data(), job.mean.data(),
        job.inverse_stddev.data(), job.weight_grad.data(), job.bias_grad.data());
    return launched();
}

} // namespace velamen::kernels::cuda
