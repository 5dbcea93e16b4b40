// SPDX-License-Identifier: GPL-3.0-or-later
//
// The convolution, watched or plain.

#include "engine/nn/layers/conv.h"

#include <ATen/ATen.h>

namespace velamen::nn {

ConvImpl::ConvImpl(const ConvOptions& square)
    : torch::nn::Conv2dImpl(torch::nn::Conv2dOptions(square.in, square.out, square.kernel)
                                .stride(square.stride)
                                .padding(square.padding)),
      square_(square)
{
}

at::Tensor ConvImpl::forward(const at::Tensor& x)
{
    if (Tap* tap = watching(weight))
        return tap->conv2d(x, weight, bias, square_.stride, square_.padding);
    return at::conv2d(x, weight, bias, square_.stride, square_.padding);
}

} // namespace velamen::nn
