// SPDX-License-Identifier: GPL-3.0-or-later
//
// One block a unit.

#include "kernels/api/gram_product.h"

#include "kernels/cuda/device/launch.cuh"

namespace velamen::kernels::cuda {

namespace {

__global__ void gram_product_kernel(std::size_t tokens, const float* gram_a, const float* gram_g,
                                    double* squared, double* bound)
{
    const std::size_t cells = tokens * tokens;
    const float* a = gram_a + blockIdx.x * cells;
    const float* g = gram_g + blockIdx.x * cells;
    double product = 0.0;
    double trace_a = 0.0;
    double trace_g = 0.0;
    for (std::size_t i = threadIdx.x; i < cells; i += blockDim.x)
        product += static_cast<double>(a[i]) * g[i];
    for (std::size_t t = threadIdx.x; t < tokens; t += blockDim.x) {
        trace_a += a[t * (tokens + 1)];
        trace_g += g[t * (tokens + 1)];
    }
    product = block_sum(product);
    trace_a = block_sum(trace_a);
    trace_g = block_sum(trace_g);
    if (threadIdx.x == 0) {
        squared[blockIdx.x] = product;
        bound[blockIdx.x] = trace_a * trace_g;
    }
}

} // namespace

Status gram_product(Stream stream, const GramProduct& job) noexcept
{
    const std::size_t cells = job.tokens * job.tokens;
    if (job.gram_a.size() != job.units * cells || job.gram_g.size() != job.units * cells
        || job.squared.size() != job.units || job.bound.size() != job.units)
        return Status::InvalidArgument;
    if (job.units == 0) return Status::Ok;
    gram_product_kernel<<<static_cast<unsigned>(job.units), kThreads, 0, native(stream)>>>(
        job.tokens, job.gram_a.data(), job.gram_g.data(), job.squared.data(), job.bound.data());
    return launched();
}

} // namespace velamen::kernels::cuda
