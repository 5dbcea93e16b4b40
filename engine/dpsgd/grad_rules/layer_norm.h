// SPDX-License-Identifier: GPL-3.0-or-later
//
// The gradient rule of layer norms: weight and bias are so small that each row's gradient is formed
// during the backward pass and nothing else is kept.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/grad_rules/record.h"

namespace velamen::dpsgd {

class GradTape;

at::Tensor taped_layer_norm(GradTape& tape, Slots slots, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, double eps);

} // namespace velamen::dpsgd
