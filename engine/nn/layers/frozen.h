// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layers whose parameters are not trained: their backward pass needs less than torch's functions
// keep for it. A frozen convolution keeps no activation at all; norm and SiLU keep the input alone
// and compute what lies between again. The numbers are those of torch's functions.

#pragma once

#include "engine/nn/layers/channels_last.h"

namespace velamen::nn {

/// Whether a call with these parameters needs no gradient of them.
bool is_frozen(const at::Tensor& weight, const at::Tensor& bias);

/// x: [N, in, H, W], frozen weight: [out, in, k, k], bias: [out] or undefined  ->  [N, out, H', W']
at::Tensor frozen_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const ConvGeometry& geometry);

/// The group norm of x, or its SiLU, with frozen weight and bias: [C]. x: [N, C, H, W]
at::Tensor frozen_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                       const at::Tensor& bias, double eps, bool has_silu);

} // namespace velamen::nn
