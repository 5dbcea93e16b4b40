// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a tape tells about each unit: the norms of its gradient, per block of tensors. Decides
// nothing about clipping.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/clipping.h"
#include "engine/dpsgd/grad_tape.h"

namespace velamen::dpsgd {

/// One use of a trained tensor in a pass, and all uses of each.
struct TapeUse {
    GradRecord* record = nullptr;
    Role role = Role::Weight;
};
using TapeUses = std::vector<std::vector<TapeUse>>;

/// Uses of the tape's tensors in this pass, in the order of its trained tensors.
TapeUses uses_of(const GradTape& tape);

/// losses: [units]. `blocks`: of each trained tensor, 0 ... block_count - 1. The device is looked
/// at once, and once more for every layer whose Gram matrices kept too few digits.
UnitFigures unit_figures(const GradTape& tape, const TapeUses& uses,
                         std::span<const std::int64_t> blocks, std::int64_t block_count,
                         const at::Tensor& losses, NormPath path);

} // namespace velamen::dpsgd
