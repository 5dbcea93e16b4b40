// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names and shapes of a UNet's parameters from its config alone: arithmetic, no tensors. For counts
// and checks that must not cost the memory of the weights.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/nn/unet/config.h"

namespace velamen::nn {

struct NamedShape {
    std::string name;
    Shape shape;
};

std::int64_t element_count(const Shape& shape) noexcept;

/// What UNet2DCondition(config)->named_parameters() would hold, in the same order.
/// `config.check()` must hold.
std::vector<NamedShape> parameter_shapes(const UNet2DConditionConfig& config);

} // namespace velamen::nn
