// SPDX-License-Identifier: GPL-3.0-or-later

#include "kernels/api/private_update.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/noise_lanes.h"

namespace velamen::kernels::cpu {

namespace {

struct Factors {
    float keep;         // 1 - lr * decay
    float step_size;    // lr / bias_correction1
    float inverse_root; // 1 / sqrt(bias_correction2)
    float beta1, rest1, beta2, rest2, epsilon;
    float average_keep, average_rest;
};

Factors factors_of(const AdamWStep& s)
{
    const auto f = [](double v) { return static_cast<float>(v); };
    return {.keep = f(1.0 - s.learning_rate * s.weight_decay),
            .step_size = f(s.learning_rate / s.bias_correction1),
            .inverse_root = f(1.0 / std::sqrt(s.bias_correction2)),
            .beta1 = f(s.beta1),
            .rest1 = f(1.0 - s.beta1),
            .beta2 = f(s.beta2),
            .rest2 = f(1.0 - s.beta2),
            .epsilon = f(s.epsilon),
            .average_keep = f(s.average_decay),
            .average_rest = f(1.0 - s.average_decay)};
}

/// Up to kLaneNormals elements; returns the squared norm of their gradient.
[[gnu::always_inline]] inline double update_block(const PrivateUpdate& job, const Factors& f,
                                                  const float* noise, std::size_t at,
                                                  std::size_t count, std::uint64_t& moved)
{
    const float* sum = job.sum.data() + at;
    float* weight = job.weight.data() + at;
    float* first = job.first_moment.data() + at;
    float* second = job.second_moment.data() + at;
    std::uint32_t changed = 0;
    float updated[kLaneNormals];
    float squares[kLaneNormals] = {};
    for (std::size_t i = 0; i < count; ++i) {
        const float g = (sum[i] + job.noise_stddev * noise[i]) * job.inverse_batch;
        const float m = f.beta1 * first[i] + f.rest1 * g;
        const float v = f.beta2 * second[i] + f.rest2 * (g * g);
        first[i] = m;
        second[i] = v;
        const float w =
            f.keep * weight[i] - f.step_size * m / (std::sqrt(v) * f.inverse_root + f.epsilon);
        squares[i] = g * g;
        changed += w != weight[i] ? 1U : 0U;
        weight[i] = w;
        updated[i] = w;
    }
    if (!job.average.empty()) {
        float* average = job.average.data() + at;
        for (std::size_t i = 0; i < count; ++i)
            average[i] = f.average_keep * average[i] + f.average_rest * updated[i];
    }
    moved += changed;
    float lanes[16] = {};
    for (std::size_t i = 0; i < kLaneNormals; i += 16)
        for (std::size_t k = 0; k < 16; ++k)
            lanes[k] += squares[i + k];
    double squared = 0.0;
    for (const float lane : lanes)
        squared += lane;
    return squared;
}

} // namespace

VELAMEN_KERNEL_CLONES
void run_update(const PrivateUpdate& job, const ChaChaState& state, const Factors& factors,
                double& squared, std::uint64_t& moved)
{
    float noise[kLaneNormals] = {};
    const std::size_t count = job.sum.size();
    std::size_t done = 0;
    while (done < count) {
        const std::uint64_t position = job.first + done;
        const std::size_t skip = static_cast<std::size_t>(position % 8);
        if (job.noise_stddev != 0.0F)
            normals_of_blocks(state, static_cast<std::uint32_t>(position / 8), noise);
        const std::size_t take = std::min(count - done, kLaneNormals - skip);
        squared += update_block(job, factors, noise + skip, done, take, moved);
        done += take;
    }
}

Status private_update(Stream, const PrivateUpdate& job) noexcept
{
    const std::size_t n = job.sum.size();
    if (job.id == nullptr || job.weight.size() != n || job.first_moment.size() != n
        || job.second_moment.size() != n || (!job.average.empty() && job.average.size() != n)
        || job.first > kNormalsPerStream || n > kNormalsPerStream - job.first)
        return Status::InvalidArgument;
    double squared = 0.0;
    std::uint64_t moved = 0;
    run_update(job, ChaChaState(*job.id), factors_of(job.step), squared, moved);
    if (job.squared_norm != nullptr) *job.squared_norm += squared;
    if (job.moved != nullptr) *job.moved += moved;
    return Status::Ok;
}

} // namespace velamen::kernels::cpu
