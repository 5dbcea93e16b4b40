// SPDX-License-Identifier: GPL-3.0-or-later
//
// The gradient rule of linear layers: y = x W' + b, per unit sum_t g_t x_t' and sum_t g_t.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/grad_rules/record.h"

namespace velamen::dpsgd {

class GradTape;

/// weight: [out, in], or [out, in, 1, 1] of a pointwise convolution over the rows of a map.
at::Tensor taped_linear(GradTape& tape, Slots slots, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& bias);

} // namespace velamen::dpsgd
