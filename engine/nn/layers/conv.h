// SPDX-License-Identifier: GPL-3.0-or-later
//
// Convolutions that a Tap can watch: 2-D with square kernel, stride and padding, and 1-D; no groups
// or dilation. Maps that lie channels-last are the fast case; the result then lies so too.

#pragma once

#include <torch/nn/modules/conv.h>

#include "engine/nn/layers/packed.h"
#include "engine/nn/layers/tapped.h"

namespace velamen::nn {

struct ConvOptions {
    std::int64_t in = 1;
    std::int64_t out = 1;
    std::int64_t kernel = 3;
    std::int64_t stride = 1;
    std::int64_t padding = 0;
    bool has_bias = true;
};

class ConvImpl final : public torch::nn::Conv2dImpl, public Tapped, public Packable {
public:
    explicit ConvImpl(const ConvOptions& options);

    /// x: [N, in, H, W]  ->  [N, out, H', W']
    at::Tensor forward(const at::Tensor& x);

private:
    at::Tensor packed(const at::Tensor& x);
    /// Puts a weight that is not trained into the layout in which it is used; done once.
    void lay_out();

    ConvOptions square_;
};
TORCH_MODULE(Conv);

class Conv1dImpl final : public torch::nn::Conv1dImpl, public Tapped {
public:
    explicit Conv1dImpl(const ConvOptions& options);

    /// x: [N, in, L]  ->  [N, out, L']
    at::Tensor forward(const at::Tensor& x);

private:
    ConvOptions line_;
};
TORCH_MODULE(Conv1d);

} // namespace velamen::nn
