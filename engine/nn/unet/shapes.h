// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names and shapes of a UNet's parameters from its plan alone: arithmetic, no tensors. For counts
// and checks that must not cost the memory of the weights.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/nn/unet/plan.h"

namespace velamen::nn {

struct NamedShape {
    std::string name;
    Shape shape;
};

std::int64_t element_count(const Shape& shape) noexcept;

/// What UNet(plan)->named_parameters() would hold, in the same order. `plan`: of a config that
/// holds.
std::vector<NamedShape> parameter_shapes(const UNetPlan& plan);

} // namespace velamen::nn
