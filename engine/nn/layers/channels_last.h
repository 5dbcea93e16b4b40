// SPDX-License-Identifier: GPL-3.0-or-later
//
// How feature maps lie in memory: channels-last, so that the pixels of a map are the rows of a
// matrix and neither attention nor pointwise convolutions need a copy. Any other layout gives the
// same numbers, at the price of copies. No parameters here.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace velamen::nn {

/// Stride and padding of a square convolution.
struct ConvGeometry {
    std::int64_t stride = 1;
    std::int64_t padding = 0;
};

/// `map` itself when it lies channels-last, else a copy that does. [N, C, H, W]
at::Tensor channels_last(const at::Tensor& map);

/// The pixels as rows; a view when the map lies channels-last. [N, C, H, W]  ->  [N, H W, C]
at::Tensor tokens_of(const at::Tensor& map);

/// The reverse, always a view. [N, H W, C]  ->  [N, C, H, W], lying channels-last
at::Tensor map_of(const at::Tensor& tokens, std::int64_t height, std::int64_t width);

/// Whether the convolution is a product over the channels of each pixel.
bool is_pointwise(const at::Tensor& weight, const ConvGeometry& geometry);

/// x w' + b in memory of its own (at::linear returns a view, which cannot be added to in place
/// below a custom function). x: [N, ..., in], weight: [out, in], bias: [out] or undefined
at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// `fresh` + `other`, in the memory of `fresh` where that costs autograd nothing. Nobody else may
/// need the value of `fresh`.
at::Tensor add_to(const at::Tensor& fresh, const at::Tensor& other);

/// The convolution, without autograd. Pointwise kernels and maps of few pixels are plain products:
/// for the latter oneDNN would spend more time on repacking the weights than on the convolution.
at::Tensor conv2d_forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          const ConvGeometry& geometry);

/// Gradient of the convolution's input. grad: [N, out, H', W']  ->  `input_sizes` [N, in, H, W]
at::Tensor conv2d_input_grad(const at::Tensor& grad, const at::Tensor& weight,
                             at::IntArrayRef input_sizes, const ConvGeometry& geometry);

} // namespace velamen::nn
