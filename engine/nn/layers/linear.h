// SPDX-License-Identifier: GPL-3.0-or-later
//
// A linear layer that a Tap can watch. Parameters and initial values are torch's.

#pragma once

#include <torch/nn/modules/linear.h>

#include "engine/nn/layers/tapped.h"

namespace velamen::nn {

class LinearImpl final : public torch::nn::LinearImpl, public Tapped {
public:
    LinearImpl(std::int64_t in, std::int64_t out, bool bias = true);

    /// x: [N, ..., in]  ->  [N, ..., out]
    at::Tensor forward(const at::Tensor& x);
};
TORCH_MODULE(Linear);

} // namespace velamen::nn
