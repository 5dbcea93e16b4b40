// SPDX-License-Identifier: GPL-3.0-or-later
//
// The whole update of a private step in one pass over memory: noise onto the clipped sum, division
// by the public batch, a public gradient beside it, the update rule, the exponential average.
//
//   g = inverse_batch (sum + noise_stddev z) + public_weight public_gradient
//
// Weight decay is decoupled in every rule (Loshchilov and Hutter 2019, algorithm 2): the weight
// loses learning_rate weight_decay of itself, apart from what the gradient does.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/api/gaussian_fill.h"
#include "kernels/api/status.h"

namespace velamen::kernels {

enum class UpdateRule {
    /// m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
    /// w -= lr (m / bc1) / (sqrt(max(v / bc2 - noise_variance, variance_floor)) + epsilon).
    /// Adam as in AdamW; with a noise variance the bias-corrected one of DP-AdamBC (Tang,
    /// Shpilevskiy, Lecuyer 2023, arXiv 2312.14334, algorithm 1).
    Adam,
    /// m = beta1 m + g,  w -= lr m: gradient descent with momentum (Polyak 1964, as PyTorch has
    /// it). There is no second moment.
    Momentum,
};

struct UpdateStep {
    UpdateRule rule = UpdateRule::Adam;
    double learning_rate = 0.0;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.0;
    double bias_correction1 = 1.0; ///< bc1 = 1 - beta1^step
    double bias_correction2 = 1.0; ///< bc2 = 1 - beta2^step
    double noise_variance = 0.0;   ///< of an element of g: (noise_stddev inverse_batch)^2, or 0
    double variance_floor = 0.0;
    double average_decay = 0.0; ///< of this step; the average is decay * old + (1 - decay) * new
};

struct PrivateUpdate {
    const NoiseStreamId* id = nullptr; ///< host memory
    std::uint64_t first = 0;           ///< position of the first element in the noise stream
    float noise_stddev = 0.0F;         ///< sigma * C; 0 adds nothing
    float inverse_batch = 1.0F;
    float public_weight = 0.0F;
    UpdateStep step;
    std::span<const float> sum;
    std::span<const float> public_gradient; ///< empty: none
    std::span<float> weight;
    std::span<float> first_moment;
    std::span<float> second_moment; ///< empty under Momentum
    std::span<float> average;       ///< empty: no average is kept
    /// += squared norm of the noised, divided sum, the public part not in it; may be null
    double* squared_norm = nullptr;
    std::uint64_t* moved = nullptr; ///< += number of weights that changed; may be null
};

/// Whether the spans have the sizes that the job needs.
inline bool fits(const PrivateUpdate& job) noexcept
{
    const std::size_t n = job.sum.size();
    const auto is_there = [n](std::size_t size) { return size == n; };
    const auto may_be_there = [n](std::size_t size) { return size == n || size == 0; };
    const bool has_second = job.step.rule == UpdateRule::Adam;
    return job.id != nullptr && is_there(job.weight.size()) && is_there(job.first_moment.size())
        && job.second_moment.size() == (has_second ? n : 0) && may_be_there(job.average.size())
        && may_be_there(job.public_gradient.size()) && job.first <= kNormalsPerStream
        && n <= kNormalsPerStream - job.first;
}

namespace cpu {
Status private_update(Stream stream, const PrivateUpdate& job) noexcept;
}
namespace reference {
Status private_update(Stream stream, const PrivateUpdate& job) noexcept;
}
namespace cuda {
/// `squared_norm` and `moved` are device memory here.
Status private_update(Stream stream, const PrivateUpdate& job) noexcept;
} // namespace cuda

} // namespace velamen::kernels
