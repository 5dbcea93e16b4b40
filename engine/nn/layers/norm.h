// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layer and group norm that a Tap can watch. Both keep samples independent; batch norm does not and
// is therefore not here.

#pragma once

#include <torch/nn/modules/normalization.h>

#include "engine/nn/layers/tapped.h"

namespace velamen::nn {

class LayerNormImpl final : public torch::nn::LayerNormImpl, public Tapped {
public:
    explicit LayerNormImpl(std::int64_t channels, double eps = 1e-5);

    /// x: [N, ..., C]
    at::Tensor forward(const at::Tensor& x);
};
TORCH_MODULE(LayerNorm);

class GroupNormImpl final : public torch::nn::GroupNormImpl, public Tapped {
public:
    GroupNormImpl(std::int64_t groups, std::int64_t channels, double eps);

    /// x: [N, C, ...]
    at::Tensor forward(const at::Tensor& x);
    /// silu(forward(x)) of a map, with less to keep when the layer is not trained. x: [N, C, H, W]
    at::Tensor forward_silu(const at::Tensor& x);
};
TORCH_MODULE(GroupNorm);

} // namespace velamen::nn
