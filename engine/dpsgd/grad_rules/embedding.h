// SPDX-License-Identifier: GPL-3.0-or-later
//
// The gradient rule of embedding tables: each row of the table gets the sum of the output gradients
// of its tokens; the norm needs the products of equal tokens only.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/grad_rules/record.h"

namespace velamen::dpsgd {

class GradTape;

at::Tensor taped_embedding(GradTape& tape, Slots slots, const at::Tensor& ids,
                           const at::Tensor& weight);

} // namespace velamen::dpsgd
