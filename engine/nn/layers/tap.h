// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where a layer hands its operation to whoever wants to watch it. The layers do not know who that
// is: private training implements a Tap that records activations and output gradients.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace velamen::nn {

/// Operations of trainable layers. Each returns what the plain torch function would. A layer calls
/// its Tap only for parameters with requires_grad; parameters are told apart by tensor identity.
/// The first dimension of every activation is the row (sample); rows of one unit are adjacent.
class Tap {
public:
    virtual ~Tap() = default;

    /// x: [N, ..., in], weight: [out, in], bias: [out] or undefined  ->  [N, ..., out]
    virtual at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias) = 0;
    /// x: [N, in, L], weight: [out, in, k]  ->  [N, out, L']
    virtual at::Tensor conv1d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              std::int64_t stride, std::int64_t padding) = 0;
    /// x: [N, in, H, W], weight: [out, in, kh, kw]  ->  [N, out, H', W']
    virtual at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              std::int64_t stride, std::int64_t padding) = 0;
    /// x: [N, ..., C], weight and bias: [C]
    virtual at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight,
                                  const at::Tensor& bias, double eps) = 0;
    /// x: [N, C, ...], weight and bias: [C]
    virtual at::Tensor group_norm(const at::Tensor& x, std::int64_t groups,
                                  const at::Tensor& weight, const at::Tensor& bias, double eps) = 0;
    /// ids: [N] or [N, L] (int64), weight: [rows, D]  ->  [N, D] or [N, L, D]
    virtual at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight) = 0;
};

} // namespace velamen::nn
