// SPDX-License-Identifier: GPL-3.0-or-later
//
// Gram products, weighted sums and layer norm sums on the CPU. Each call runs in its thread;
// callers split units between threads.

#include "kernels/api/gram_product.h"
#include "kernels/api/layer_norm_sums.h"
#include "kernels/api/weighted_accumulate.h"

namespace velamen::kernels::cpu {

VELAMEN_KERNEL_CLONES
double product_sum(const float* a, const float* b, std::size_t count)
{
    // Short fp32 runs, added up in double: the error stays that of one run.
    constexpr std::size_t kRun = 64;
    double total = 0.0;
    std::size_t i = 0;
    for (; i + kRun <= count; i += kRun) {
        float lanes[16] = {};
        for (std::size_t j = 0; j < kRun; j += 16)
            for (std::size_t k = 0; k < 16; ++k)
                lanes[k] += a[i + j + k] * b[i + j + k];
        float run = 0.0F;
        for (const float lane : lanes)
            run += lane;
        total += run;
    }
    for (; i < count; ++i)
        total += static_cast<double>(a[i]) * b[i];
    return total;
}

VELAMEN_KERNEL_CLONES
void scaled_add(float weight, const float* row, float* accumulator, std::size_t count)
{
    for (std::size_t i = 0; i < count; ++i)
        accumulator[i] += weight * row[i];
}

VELAMEN_KERNEL_CLONES
void norm_sums_of_unit(const float* x, const float* g, const float* mean, const float* rstd,
                       std::size_t tokens, std::size_t width, float* weight, float* bias)
{
    for (std::size_t c = 0; c < width; ++c)
        weight[c] = bias[c] = 0.0F;
    for (std::size_t t = 0; t < tokens; ++t, x += width, g += width) {
        const float m = mean[t];
        const float r = rstd[t];
        for (std::size_t c = 0; c < width; ++c) {
            weight[c] += g[c] * ((x[c] - m) * r);
            bias[c] += g[c];
        }
    }
}

Status gram_product(Stream, const GramProduct& job) noexcept
{
    const std::size_t cells = job.tokens * job.tokens;
    if (job.gram_a.size() != job.units * cells || job.gram_g.size() != job.units * cells
        || job.squared.size() != job.units || job.bound.size() != job.units)
        return Status::InvalidArgument;
    for (std::size_t u = 0; u < job.units; ++u) {
        const float* a = job.gram_a.data() + u * cells;
        const float* g = job.gram_g.data() + u * cells;
        double trace_a = 0.0;
        double trace_g = 0.0;
        for (std::size_t t = 0; t < cells; t += job.tokens + 1) {
            trace_a += a[t];
            trace_g += g[t];
        }
        job.squared[u] = product_sum(a, g, cells);
        job.bound[u] = trace_a * trace_g;
    }
    return Status::Ok;
}

Status weighted_accumulate(Stream, const WeightedAccumulate& job) noexcept
{
    if (job.rows.size() != job.units * job.width || job.weights.size() != job.units
        || job.accumulator.size() != job.width)
        return Status::InvalidArgument;
    for (std::size_t u = 0; u < job.units; ++u)
        if (job.weights[u] != 0.0F)
            scaled_add(job.weights[u], job.rows.data() + u * job.width, job.accumulator.data(),
                       job.width);
    return Status::Ok;
}

Status layer_norm_sums(Stream, const LayerNormSums& job) noexcept
{
    const std::size_t rows = job.units * job.tokens;
    if (job.input.size() != rows * job.width || job.output_grad.size() != job.input.size()
        || job.mean.size() != rows || job.inverse_stddev.size() != rows
        || job.weight_grad.size() != job.units * job.width
        || job.bias_grad.size() != job.weight_grad.size())
        return Status::InvalidArgument;
    for (std::size_t u = 0; u < job.units; ++u)
        norm_sums_of_unit(
            job.input.data() + u * job.tokens * job.width,
            job.output_grad.data() + u * job.tokens * job.width, job.mean.data() + u * job.tokens,
            job.inverse_stddev.data() + u * job.tokens, job.tokens, job.width,
            job.weight_grad.data() + u * job.width, job.bias_grad.data() + u * job.width);
    return Status::Ok;
}

} // namespace velamen::kernels::cpu
