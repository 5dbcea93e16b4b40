// SPDX-License-Identifier: GPL-3.0-or-later
//
// Group norm (Wu, He 2018) of maps, and the SiLU after it, without autograd. On the CPU in fp32 by
// our own kernels: torch's take the variance of a channels-last map as E x^2 - (E x)^2, which
// loses the digits of a faint map with a large mean.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace velamen::nn {

struct Normed {
    at::Tensor out;  // [N, C, H, W], lying channels-last
    at::Tensor mean; // [N, groups]
    at::Tensor rstd; // [N, groups]: 1 / sqrt(variance + eps)
};

/// x: [N, C, H, W], weight and bias: [C]
Normed group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                  const at::Tensor& bias, double eps, bool has_silu);

} // namespace velamen::nn
