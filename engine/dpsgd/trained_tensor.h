// SPDX-License-Identifier: GPL-3.0-or-later
//
// The tensors that a private run trains, in the one order that tape, clipper and optimiser share.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace velamen::dpsgd {

struct TrainedTensor {
    std::string name;
    at::Tensor tensor;                ///< leaf with requires_grad, shared with the model
    double learning_rate_scale = 1.0; ///< relative to the schedule
    int block = 0;                    ///< for clipping per block: 0 ... number of blocks - 1
};

using TrainedTensors = std::vector<TrainedTensor>;
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

} // namespace velamen::dpsgd
