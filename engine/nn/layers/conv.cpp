// SPDX-License-Identifier: GPL-3.0-or-later
//
// The convolutions, watched or plain.

#include "engine/nn/layers/conv.h"

#include <ATen/ATen.h>

#include "engine/nn/layers/frozen.h"
#include "engine/nn/layers/initial_values.h"
#include "engine/nn/layers/precision.h"

namespace velamen::nn {

ConvImpl::ConvImpl(const ConvOptions& square)
    : torch::nn::Conv2dImpl(
        torch::nn::Conv2dOptions(initial_width(square.in), initial_width(square.out), square.kernel)
            .stride(square.stride)
            .padding(square.padding)
            .bias(square.has_bias)),
      square_(square)
{
    replace_uninitialised(weight, {square.out, square.in, square.kernel, square.kernel});
    replace_uninitialised(bias, {square.out});
}

at::Tensor ConvImpl::forward(const at::Tensor& x)
{
    if (Tap* tap = watching(weight))
        return tap->conv2d(x, weight, bias, square_.stride, square_.padding);
    if (!is_frozen(weight, bias))
        return at::conv2d(x, in_type_of(x, weight), in_type_of(x, bias), square_.stride,
                          square_.padding);
    lay_out();
    if (is_packed_for(x, weight)) return packed(x);
    return frozen_conv2d(x, in_type_of(x, weight), in_type_of(x, bias),
                         {square_.stride, square_.padding});
}

at::Tensor ConvImpl::packed(const at::Tensor& x)
{
    const ConvGeometry geometry{square_.stride, square_.padding};
    if (!is_pointwise(weight, geometry)) return packed_conv2d(x, weight, bias, geometry);
    return map_of(packed_linear(tokens_of(x), weight, bias), x.size(2), x.size(3));
}

void ConvImpl::lay_out()
{
    if (weight.requires_grad() || weight.is_contiguous(at::MemoryFormat::ChannelsLast)) return;
    weight.set_data(channels_last(weight.detach()));
}

Conv1dImpl::Conv1dImpl(const ConvOptions& line)
    : torch::nn::Conv1dImpl(torch::nn::Conv1dOptions(line.in, line.out, line.kernel)
                                .stride(line.stride)
                                .padding(line.padding)
                                .bias(line.has_bias)),
      line_(line)
{
}

at::Tensor Conv1dImpl::forward(const at::Tensor& x)
{
    if (Tap* tap = watching(weight))
        return tap->conv1d(x, weight, bias, line_.stride, line_.padding);
    return at::conv1d(x, weight, bias, line_.stride, line_.padding);
}

} // namespace velamen::nn
