// SPDX-License-Identifier: GPL-3.0-or-later
//
// The gradient rule of 1-D convolutions: that of 2-D ones over images of height one.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/grad_rules/record.h"

namespace velamen::dpsgd {

class GradTape;

/// x: [N, in, L], weight: [out, in, k]  ->  [N, out, L']
at::Tensor taped_conv1d(GradTape& tape, Slots slots, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& bias, std::int64_t stride, std::int64_t padding);

} // namespace velamen::dpsgd
