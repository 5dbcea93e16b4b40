// SPDX-License-Identifier: GPL-3.0-or-later
//
// The whole update of a private step in one pass over memory: noise onto the clipped sum, division
// by the public batch, AdamW (Loshchilov and Hutter 2019, algorithm 2), exponential average.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/api/gaussian_fill.h"
#include "kernels/api/status.h"

namespace velamen::kernels {

struct AdamWStep {
    double learning_rate = 0.0;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.0;
    double bias_correction1 = 1.0; ///< 1 - beta1^step
    double bias_correction2 = 1.0; ///< 1 - beta2^step
    double average_decay = 0.0;    ///< of this step; the average is decay * old + (1 - decay) * new
};

struct PrivateUpdate {
    const NoiseStreamId* id = nullptr; ///< host memory
    std::uint64_t first = 0;           ///< position of the first element in the noise stream
    float noise_stddev = 0.0F;         ///< sigma * C; 0 adds nothing
    float inverse_batch = 1.0F;
    AdamWStep step;
    std::span<const float> sum;
    std::span<float> weight;
    std::span<float> first_moment;
    std::span<float> second_moment;
    std::span<float> average; ///< empty: no average is kept
    double* squared_norm =
        nullptr; ///< += squared norm of the noised, divided gradient; may be null
    std::uint64_t* moved = nullptr; ///< += number of weights that changed; may be null
};

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
