// SPDX-License-Identifier: GPL-3.0-or-later
//
// The gradient rule of group norms, like that of layer norms.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/grad_rules/record.h"

namespace velamen::dpsgd {

class GradTape;

at::Tensor taped_group_norm(GradTape& tape, Slots slots, const at::Tensor& x, std::int64_t groups,
                            const at::Tensor& weight, const at::Tensor& bias, double eps);

} // namespace velamen::dpsgd
