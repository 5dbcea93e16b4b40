// SPDX-License-Identifier: GPL-3.0-or-later
//
// One group of the noise stream after another: its normals and its gradient stay in the first cache
// while the group's parts of the arrays, asked for one group ahead, pass through.

#include "kernels/api/private_update.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/update_factors.h"
#include "kernels/cpu/loop.h"
#include "kernels/cpu/noise_lanes.h"
#include "kernels/cpu/wide.h"

namespace velamen::kernels::cpu {

namespace {

template <std::size_t kVector>
using FloatLanes [[gnu::vector_size(4 * kVector)]] = float;

/// noise: standard normals in, (sum + noise) / batch out.
[[gnu::always_inline]] inline void form_gradient(const PrivateUpdate& job, std::size_t from,
                                                 std::size_t count, float* noise)
{
    const float stddev = job.noise_stddev, inverse_batch = job.inverse_batch;
    const float* sum = job.sum.data() + from;
    VELAMEN_INDEPENDENT_TURNS
    for (std::size_t i = 0; i < count; ++i)
        noise[i] = (sum[i] + stddev * noise[i]) * inverse_batch;
}

/// Of at most a group: sums in float within a lane, in double between lanes.
template <std::size_t kVector>
[[gnu::always_inline]] inline double squared_norm(const float* values, std::size_t count)
{
    constexpr std::size_t kSums = 4; // side by side, or each addition waits for the one before
    FloatLanes<kVector> sums[kSums] = {};
    std::size_t at = 0;
    for (; at + kSums * kVector <= count; at += kSums * kVector)
        for (std::size_t i = 0; i < kSums; ++i) {
            FloatLanes<kVector> part;
            std::memcpy(&part, values + at + i * kVector, sizeof part);
            sums[i] += part * part;
        }
    const FloatLanes<kVector> lanes = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    double total = 0.0;
    for (std::size_t lane = 0; lane < kVector; ++lane)
        total += static_cast<double>(lanes[lane]);
    for (; at < count; ++at)
        total += static_cast<double>(values[at]) * values[at];
    return total;
}

[[gnu::always_inline]] inline void add_public(const PrivateUpdate& job, std::size_t from,
                                              std::size_t count, float* gradient)
{
    const float weight = job.public_weight;
    const float* part = job.public_gradient.data() + from;
    VELAMEN_INDEPENDENT_TURNS
    for (std::size_t i = 0; i < count; ++i)
        gradient[i] += weight * part[i];
}

/// The rules answer how many weights changed.
[[gnu::always_inline]] inline std::uint32_t adam(const PrivateUpdate& job,
                                                 const UpdateFactors& factors, std::size_t from,
                                                 std::size_t count, const float* gradient)
{
    const UpdateFactors f = factors; // a copy, which the stores below cannot change
    float* weight = job.weight.data() + from;
    float* first = job.first_moment.data() + from;
    float* second = job.second_moment.data() + from;
    std::uint32_t moved = 0;
    VELAMEN_INDEPENDENT_TURNS
    for (std::size_t i = 0; i < count; ++i) {
        const float g = gradient[i];
        const float m = f.beta1 * first[i] + f.rest1 * g;
        const float v = f.beta2 * second[i] + f.rest2 * (g * g);
        first[i] = m;
        second[i] = v;
        const float own = v * f.inverse_bias - f.noise_variance;
        const float root = std::sqrt(own > f.variance_floor ? own : f.variance_floor);
        const float old = weight[i];
        const float w = f.keep * old - f.step_size * m / (root + f.epsilon);
        weight[i] = w;
        moved += w != old ? 1U : 0U;
    }
    return moved;
}

[[gnu::always_inline]] inline std::uint32_t momentum(const PrivateUpdate& job,
                                                     const UpdateFactors& factors, std::size_t from,
                                                     std::size_t count, const float* gradient)
{
    const UpdateFactors f = factors;
    float* weight = job.weight.data() + from;
    float* first = job.first_moment.data() + from;
    std::uint32_t moved = 0;
    VELAMEN_INDEPENDENT_TURNS
    for (std::size_t i = 0; i < count; ++i) {
        const float m = f.beta1 * first[i] + gradient[i];
        first[i] = m;
        const float old = weight[i];
        const float w = f.keep * old - f.step_size * m;
        weight[i] = w;
        moved += w != old ? 1U : 0U;
    }
    return moved;
}

[[gnu::always_inline]] inline void average(const PrivateUpdate& job, const UpdateFactors& factors,
                                           std::size_t from, std::size_t count)
{
    const float keep = factors.average_keep, rest = factors.average_rest;
    const float* weight = job.weight.data() + from;
    float* average = job.average.data() + from;
    VELAMEN_INDEPENDENT_TURNS
    for (std::size_t i = 0; i < count; ++i)
        average[i] = keep * average[i] + rest * weight[i];
}

constexpr std::size_t kLine = 64 / sizeof(float); // elements

/// Asks for a line of every array, where there is one.
[[gnu::always_inline]] inline void ask_for(const PrivateUpdate& job, std::size_t at)
{
    if (at >= job.sum.size()) return;
    __builtin_prefetch(job.sum.data() + at);
    __builtin_prefetch(job.weight.data() + at);
    __builtin_prefetch(job.first_moment.data() + at);
    if (!job.second_moment.empty()) __builtin_prefetch(job.second_moment.data() + at);
    if (!job.average.empty()) __builtin_prefetch(job.average.data() + at);
    if (!job.public_gradient.empty()) __builtin_prefetch(job.public_gradient.data() + at);
}

template <std::size_t kVector>
[[gnu::always_inline]] inline void update(const PrivateUpdate& job, const ChaChaState& state,
                                          const UpdateFactors& factors, double& squared,
                                          std::uint64_t& moved)
{
    alignas(64) float noise[kNoiseGroup];
    const std::size_t count = job.sum.size();
    std::size_t done = 0;
    while (done < count) {
        const std::uint64_t position = job.first + done;
        const std::size_t skip = static_cast<std::size_t>(position % kNoiseGroup);
        const std::size_t take = std::min(count - done, kNoiseGroup - skip);
        const auto ask_for_next = [&](std::size_t pause) __attribute__((always_inline))
        {
            constexpr std::size_t kLines = kNoiseGroup / kLine;
            constexpr std::size_t kAtOnce = (kLines - 1) / kPauses<kVector> + 1;
            if (pause * kAtOnce >= kLines) return;
            for (std::size_t i = 0; i < kAtOnce; ++i)
                ask_for(job, done + take + (pause * kAtOnce + i) * kLine);
        };
        if (job.noise_stddev != 0.0F)
            normals_of_group<kVector>(state, position / kNoiseGroup, noise, ask_for_next);
        else
            std::fill(noise, noise + kNoiseGroup, 0.0F);
        float* const gradient = noise + skip;
        form_gradient(job, done, take, gradient);
        squared += squared_norm<kVector>(gradient, take);
        if (!job.public_gradient.empty()) add_public(job, done, take, gradient);
        moved += job.step.rule == UpdateRule::Adam ? adam(job, factors, done, take, gradient)
                                                   : momentum(job, factors, done, take, gradient);
        if (!job.average.empty()) average(job, factors, done, take);
        done += take;
    }
}

} // namespace

VELAMEN_KERNEL_CLONES
void run_update(const PrivateUpdate& job, const ChaChaState& state, const UpdateFactors& factors,
                double& squared, std::uint64_t& moved)
{
    update<8>(job, state, factors, squared, moved);
}

VELAMEN_WIDE_CLONE
void run_wide_update(const PrivateUpdate& job, const ChaChaState& state,
                     const UpdateFactors& factors, double& squared, std::uint64_t& moved)
{
    update<16>(job, state, factors, squared, moved);
}

Status private_update(Stream, const PrivateUpdate& job) noexcept
{
    if (!fits(job)) return Status::InvalidArgument;
    double squared = 0.0;
    std::uint64_t moved = 0;
    const auto run = has_wide_vectors() ? run_wide_update : run_update;
    run(job, ChaChaState(*job.id), factors_of(job.step), squared, moved);
    if (job.squared_norm != nullptr) *job.squared_norm += squared;
    if (job.moved != nullptr) *job.moved += moved;
    return Status::Ok;
}

} // namespace velamen::kernels::cpu
