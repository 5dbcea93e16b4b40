// SPDX-License-Identifier: GPL-3.0-or-later
//
// The gradient rule of convolutions: the linear rule over unfolded patches; a 1x1 kernel needs no
// unfolding.

#pragma once

#include <array>
#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/grad_rules/record.h"

namespace velamen::dpsgd {

class GradTape;

/// Of height and width.
using Extent = std::array<std::int64_t, 2>;

at::Tensor taped_conv2d(GradTape& tape, Slots slots, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& bias, Extent stride, Extent padding);

} // namespace velamen::dpsgd
