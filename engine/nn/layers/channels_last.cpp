// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/layers/channels_last.h"

#include <array>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace velamen::nn {

namespace {

/// Up to this many output pixels in all samples, a product over copied
/// neighbourhoods was two to four times as fast as oneDNN's convolution.
constexpr std::int64_t kFewPixels = 128;

enum class Way { Pointwise, Columns, Library };

struct Extent {
    std::int64_t height, width;
};

Extent output_extent(at::IntArrayRef input, const at::Tensor& weight, const ConvGeometry& g)
{
    return {(input[2] + 2 * g.padding - weight.size(2)) / g.stride + 1,
            (input[3] + 2 * g.padding - weight.size(3)) / g.stride + 1};
}

bool lies_channels_last(const at::Tensor& x)
{
    return x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

Way way_of(const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef input_sizes,
           const ConvGeometry& g)
{
    if (!x.device().is_cpu() || x.scalar_type() != at::kFloat) return Way::Library;
    if (is_pointwise(weight, g)) return Way::Pointwise;
    const Extent out = output_extent(input_sizes, weight, g);
    return lies_channels_last(weight) && input_sizes[0] * out.height * out.width <= kFewPixels
        ? Way::Columns
        : Way::Library;
}

at::Tensor empty_map(at::IntArrayRef sizes, const at::Tensor& like)
{
    return at::empty(sizes, like.options(), at::MemoryFormat::ChannelsLast);
}

at::Tensor rows_of(const at::Tensor& map) // [N H W, C]
{
    return tokens_of(map).flatten(0, 1);
}

void affine_into(const at::Tensor& out, const at::Tensor& rows, const at::Tensor& weight,
                 const at::Tensor& bias)
{
    at::Tensor target = out;
    if (bias.defined())
        at::addmm_out(target, bias, rows, weight.t());
    else
        at::mm_out(target, rows, weight.t());
}

/// The place that kernel position (i, j) sees: a strided part of the padded
/// map. [N, H', W', C]
at::Tensor part_seen(const at::Tensor& padded, std::int64_t i, std::int64_t j, const Extent& out,
                     std::int64_t stride)
{
    return padded.slice(1, i, i + (out.height - 1) * stride + 1, stride)
        .slice(2, j, j + (out.width - 1) * stride + 1, stride);
}

/// [out, in, kh, kw] lying channels-last  ->  [out, kh kw in]
at::Tensor kernel_rows(const at::Tensor& weight)
{
    return weight.permute({0, 2, 3, 1}).reshape({weight.size(0), -1});
}

at::Tensor columns_forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const ConvGeometry& g)
{
    const Extent out = output_extent(x.sizes(), weight, g);
    const std::int64_t p = g.padding;
    const at::Tensor pixels = channels_last(x).permute({0, 2, 3, 1}); // [N, H, W, C]
    const at::Tensor padded = p > 0 ? at::constant_pad_nd(pixels, {0, 0, p, p, p, p}) : pixels;
    std::vector<at::Tensor> seen;
    for (std::int64_t i = 0; i < weight.size(2); ++i)
        for (std::int64_t j = 0; j < weight.size(3); ++j)
            seen.push_back(part_seen(padded, i, j, out, g.stride));
    const at::Tensor columns = at::cat(seen, 3).flatten(0, 2); // [N H' W', kh kw in]
    const at::Tensor y = empty_map({x.size(0), weight.size(0), out.height, out.width}, x);
    affine_into(rows_of(y), columns, kernel_rows(weight), bias);
    return y;
}

at::Tensor columns_input_grad(const at::Tensor& grad, const at::Tensor& weight,
                              at::IntArrayRef sizes, const ConvGeometry& g)
{
    const std::int64_t kernel_width = weight.size(3), p = g.padding;
    const Extent out{grad.size(2), grad.size(3)};
    const at::Tensor columns =
        at::mm(rows_of(channels_last(grad)), kernel_rows(weight))
            .view({sizes[0], out.height, out.width, weight.size(2) * kernel_width, sizes[1]});
    const at::Tensor padded =
        at::zeros({sizes[0], sizes[2] + 2 * p, sizes[3] + 2 * p, sizes[1]}, grad.options());
    for (std::int64_t k = 0; k < columns.size(3); ++k)
        part_seen(padded, k / kernel_width, k % kernel_width, out, g.stride)
            .add_(columns.select(3, k));
    return padded.slice(1, p, p + sizes[2])
        .slice(2, p, p + sizes[3])
        .permute({0, 3, 1, 2})
        .contiguous(at::MemoryFormat::ChannelsLast);
}

} // namespace

at::Tensor channels_last(const at::Tensor& map)
{
    return map.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor tokens_of(const at::Tensor& map)
{
    return map.permute({0, 2, 3, 1}).reshape({map.size(0), map.size(2) * map.size(3), map.size(1)});
}

at::Tensor map_of(const at::Tensor& tokens, std::int64_t height, std::int64_t width)
{
    return tokens.view({tokens.size(0), height, width, tokens.size(2)}).permute({0, 3, 1, 2});
}

bool is_pointwise(const at::Tensor& weight, const ConvGeometry& g)
{
    return weight.size(2) == 1 && weight.size(3) == 1 && g.stride == 1 && g.padding == 0;
}

at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias)
{
    std::vector<std::int64_t> sizes = x.sizes().vec();
    sizes.back() = weight.size(0);
    const at::Tensor out = at::empty(sizes, x.options());
    affine_into(out.view({-1, weight.size(0)}), x.reshape({-1, x.size(-1)}), weight, bias);
    return out;
}

at::Tensor add_to(const at::Tensor& fresh, const at::Tensor& other)
{
    const bool is_recorded =
        at::GradMode::is_enabled() && (fresh.requires_grad() || other.requires_grad());
    if (is_recorded && fresh.is_view()) return fresh + other;
    at::Tensor sum = fresh;
    return sum.add_(other);
}

at::Tensor conv2d_forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          const ConvGeometry& g)
{
    switch (way_of(x, weight, x.sizes(), g)) {
    case Way::Pointwise: {
        const at::Tensor y = empty_map({x.size(0), weight.size(0), x.size(2), x.size(3)}, x);
        affine_into(rows_of(y), rows_of(x), weight.flatten(1), bias);
        return y;
    }
    case Way::Columns:
        return columns_forward(x, weight, bias, g);
    case Way::Library:
        break;
    }
    return at::conv2d(x, weight, bias, {g.stride, g.stride}, {g.padding, g.padding});
}

at::Tensor conv2d_input_grad(const at::Tensor& grad, const at::Tensor& weight,
                             at::IntArrayRef sizes, const ConvGeometry& g)
{
    switch (way_of(grad, weight, sizes, g)) {
    case Way::Pointwise: {
        const at::Tensor out = empty_map(sizes, grad);
        at::Tensor target = rows_of(out);
        at::mm_out(target, rows_of(grad), weight.flatten(1));
        return out;
    }
    case Way::Columns:
        return columns_input_grad(grad, weight, sizes, g);
    case Way::Library:
        break;
    }
    const std::array<std::int64_t, 2> stride{g.stride, g.stride}, padding{g.padding, g.padding};
    const at::Tensor shape_only = empty_map(sizes, grad); // its values are not read
    return std::get<0>(at::convolution_backward(channels_last(grad), shape_only, weight,
                                                at::OptionalIntArrayRef{}, stride, padding, {1, 1},
                                                false, {0, 0}, 1, {true, false, false}));
}

} // namespace velamen::nn
