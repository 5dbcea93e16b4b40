// SPDX-License-Identifier: GPL-3.0-or-later
//
// One thread a ChaCha20 block: eight weights get their noise, AdamW and average in one pass.

#include "kernels/api/private_update.h"

#include <cmath>

#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/noise.cuh"

namespace velamen::kernels::cuda {

namespace {

struct UpdateArguments {
    std::uint64_t first, count;
    float noise_stddev, inverse_batch;
    float keep, step_size, inverse_root, beta1, rest1, beta2, rest2, epsilon;
    float average_keep, average_rest;
    const float* sum;
    float *weight, *first_moment, *second_moment, *average;
    double* squared_norm;
    unsigned long long* moved;
};

__global__ void private_update_kernel(ChaChaWords state, UpdateArguments a)
{
    const std::uint64_t first_block = a.first / 8;
    const std::uint64_t blocks = (a.first + a.count + 7) / 8 - first_block;
    const std::uint64_t stride = static_cast<std::uint64_t>(gridDim.x) * blockDim.x;
    double squared = 0.0;
    unsigned long long moved = 0;
    for (std::uint64_t b = blockIdx.x * static_cast<std::uint64_t>(blockDim.x) + threadIdx.x;
         b < blocks; b += stride) {
        float noise[8] = {};
        if (a.noise_stddev != 0.0F)
            normals_of_block(state, static_cast<std::uint32_t>(first_block + b), noise);
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            const std::uint64_t position = (first_block + b) * 8 + k;
            if (position < a.first || position >= a.first + a.count) continue;
            const std::uint64_t i = position - a.first;
            const float g = (a.sum[i] + a.noise_stddev * noise[k]) * a.inverse_batch;
            const float m = a.beta1 * a.first_moment[i] + a.rest1 * g;
            const float v = a.beta2 * a.second_moment[i] + a.rest2 * (g * g);
            const float old = a.weight[i];
            const float w =
                a.keep * old - a.step_size * m / (sqrtf(v) * a.inverse_root + a.epsilon);
            a.first_moment[i] = m;
            a.second_moment[i] = v;
            a.weight[i] = w;
            if (a.average != nullptr)
                a.average[i] = a.average_keep * a.average[i] + a.average_rest * w;
            squared += static_cast<double>(g) * g;
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

} // namespace

Status private_update(Stream stream, const PrivateUpdate& job) noexcept
{
    static_assert(sizeof(unsigned long long) == sizeof(std::uint64_t));
    const std::size_t n = job.sum.size();
    if (job.id == nullptr || job.weight.size() != n || job.first_moment.size() != n
        || job.second_moment.size() != n || (!job.average.empty() && job.average.size() != n)
        || job.first > kNormalsPerStream || n > kNormalsPerStream - job.first)
        return Status::InvalidArgument;
    if (n == 0) return Status::Ok;
    const AdamWStep& s = job.step;
    const auto f = [](double v) { return static_cast<float>(v); };
    UpdateArguments a{};
    a.first = job.first;
    a.count = n;
    a.noise_stddev = job.noise_stddev;
    a.inverse_batch = job.inverse_batch;
    a.keep = f(1.0 - s.learning_rate * s.weight_decay);
    a.step_size = f(s.learning_rate / s.bias_correction1);
    a.inverse_root = f(1.0 / std::sqrt(s.bias_correction2));
    a.beta1 = f(s.beta1);
    a.rest1 = f(1.0 - s.beta1);
    a.beta2 = f(s.beta2);
    a.rest2 = f(1.0 - s.beta2);
    a.epsilon = f(s.epsilon);
    a.average_keep = f(s.average_decay);
    a.average_rest = f(1.0 - s.average_decay);
    a.sum = job.sum.data();
    a.weight = job.weight.data();
    a.first_moment = job.first_moment.data();
    a.second_moment = job.second_moment.data();
    a.average = job.average.empty() ? nullptr : job.average.data();
    a.squared_norm = job.squared_norm;
    a.moved = reinterpret_cast<unsigned long long*>(job.moved);
    private_update_kernel<<<blocks_for(n / 8 + 2), kThreads, 0, native(stream)>>>(words_of(*job.id),
                                                                                  a);
    return launched();
}

} // namespace velamen::kernels::cuda
