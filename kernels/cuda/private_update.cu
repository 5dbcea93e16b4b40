// SPDX-License-Identifier: GPL-3.0-or-later
//
// One thread a ChaCha20 block, one warp a group of the noise stream: every weight gets its noise,
// its rule and its average in one pass, neighbouring threads next to each other in memory.

#include "kernels/api/private_update.h"

#include "kernels/api/update_factors.h"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/noise.cuh"

namespace velamen::kernels::cuda {

namespace {

struct UpdateArguments {
    std::uint64_t first, count;
    float noise_stddev, inverse_batch, public_weight;
    UpdateFactors factors;
    const float *sum, *public_gradient;
    float *weight, *first_moment, *second_moment, *average;
    double* squared_norm;
    unsigned long long* moved;
};

/// What the rule takes from a weight; updates the moments.
template <UpdateRule rule>
__device__ __forceinline__ float change_of(const UpdateArguments& a, std::uint64_t i, float g)
{
    const UpdateFactors& f = a.factors;
    const float m = f.beta1 * a.first_moment[i] + f.rest1 * g;
    a.first_moment[i] = m;
    if constexpr (rule == UpdateRule::Momentum) {
        return f.step_size * m;
    } else {
        const float v = f.beta2 * a.second_moment[i] + f.rest2 * (g * g);
        a.second_moment[i] = v;
        const float own = v * f.inverse_bias - f.noise_variance;
        return f.step_size * m / (sqrtf(fmaxf(own, f.variance_floor)) + f.epsilon);
    }
}

template <UpdateRule rule>
__global__ void private_update_kernel(ChaChaWords state, BlockRange range, UpdateArguments a)
{
    const std::uint64_t stride = static_cast<std::uint64_t>(gridDim.x) * blockDim.x;
    double squared = 0.0;
    unsigned long long moved = 0;
    for (std::uint64_t b = blockIdx.x * static_cast<std::uint64_t>(blockDim.x) + threadIdx.x;
         b < range.count; b += stride) {
        const std::uint64_t block = range.first + b;
        float noise[16] = {};
        if (a.noise_stddev != 0.0F)
            normals_of_block(state, static_cast<std::uint32_t>(block), noise);
#pragma unroll
        for (int row = 0; row < 16; ++row) {
            const std::uint64_t position = position_of(block, row);
            if (position < a.first || position >= a.first + a.count) continue;
            const std::uint64_t i = position - a.first;
            const float noised = (a.sum[i] + a.noise_stddev * noise[row]) * a.inverse_batch;
            const float g = a.public_gradient == nullptr
                ? noised
                : noised + a.public_weight * a.public_gradient[i];
            const float old = a.weight[i];
            const float w = a.factors.keep * old - change_of<rule>(a, i, g);
            a.weight[i] = w;
            if (a.average != nullptr)
                a.average[i] = a.factors.average_keep * a.average[i] + a.factors.average_rest * w;
            squared += static_cast<double>(noised) * noised;
            moved += w != old ? 1ULL : 0ULL;
        }
    }
    squared = block_sum(squared);
    moved = block_sum(moved);
    if (threadIdx.x == 0) {
        if (a.squared_norm != nullptr) atomicAdd(a.squared_norm, squared);
        if (a.moved != nullptr) atomicAdd(a.moved, moved);
    }
}

/// Null where nothing is there.
template <class T>
T* begin_of(std::span<T> span)
{
    return span.empty() ? nullptr : span.data();
}

} // namespace

Status private_update(Stream stream, const PrivateUpdate& job) noexcept
{
    static_assert(sizeof(unsigned long long) == sizeof(std::uint64_t));
    static_assert(kNoiseLanes == 32); // a warp
    if (!fits(job)) return Status::InvalidArgument;
    if (job.sum.empty()) return Status::Ok;
    const UpdateArguments arguments{.first = job.first,
                                    .count = job.sum.size(),
                                    .noise_stddev = job.noise_stddev,
                                    .inverse_batch = job.inverse_batch,
                                    .public_weight = job.public_weight,
                                    .factors = factors_of(job.step),
                                    .sum = job.sum.data(),
                                    .public_gradient = begin_of(job.public_gradient),
                                    .weight = job.weight.data(),
                                    .first_moment = job.first_moment.data(),
                                    .second_moment = begin_of(job.second_moment),
                                    .average = begin_of(job.average),
                                    .squared_norm = job.squared_norm,
                                    .moved = reinterpret_cast<unsigned long long*>(job.moved)};
    const BlockRange range = blocks_of(job.first, job.sum.size());
    const auto kernel = job.step.rule == UpdateRule::Adam
        ? private_update_kernel<UpdateRule::Adam>
        : private_update_kernel<UpdateRule::Momentum>;
    kernel<<<blocks_for(range.count), kThreads, 0, native(stream)>>>(words_of(*job.id), range,
                                                                     arguments);
    return launched();
}

} // namespace velamen::kernels::cuda
