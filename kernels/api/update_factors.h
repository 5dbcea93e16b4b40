// SPDX-License-Identifier: GPL-3.0-or-later
//
// The numbers of an update as the fast kernels use them, formed once in double: no division by a
// constant is left for the loops.

#pragma once

#include "kernels/api/private_update.h"

namespace velamen::kernels {

struct UpdateFactors {
    float keep;         ///< 1 - lr decay
    float step_size;    ///< Adam: lr / bc1; Momentum: lr
    float inverse_bias; ///< 1 / bc2
    float beta1, rest1; ///< rest: what a gradient adds to the first moment
    float beta2, rest2;
    float epsilon, noise_variance, variance_floor;
    float average_keep, average_rest;
};

inline UpdateFactors factors_of(const UpdateStep& s) noexcept
{
    const auto f = [](double v) { return static_cast<float>(v); };
    const bool is_adam = s.rule == UpdateRule::Adam;
    return {.keep = f(1.0 - s.learning_rate * s.weight_decay),
            .step_size = f(is_adam ? s.learning_rate / s.bias_correction1 : s.learning_rate),
            .inverse_bias = f(1.0 / s.bias_correction2),
            .beta1 = f(s.beta1),
            .rest1 = f(is_adam ? 1.0 - s.beta1 : 1.0),
            .beta2 = f(s.beta2),
            .rest2 = f(1.0 - s.beta2),
            .epsilon = f(s.epsilon),
            .noise_variance = f(s.noise_variance),
            .variance_floor = f(s.variance_floor),
            .average_keep = f(s.average_decay),
            .average_rest = f(1.0 - s.average_decay)};
}

} // namespace velamen::kernels
