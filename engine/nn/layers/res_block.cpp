// SPDX-License-Identifier: GPL-3.0-or-later
//
// Residual block, downsampling, upsampling.

#include "engine/nn/layers/res_block.h"

#include <vector>

#include <ATen/ATen.h>

#include "engine/nn/layers/channels_last.h"

namespace velamen::nn {

ResBlockImpl::ResBlockImpl(const ResBlockOptions& options)
    : scale_shift_(options.scale_shift), resample_(options.resample)
{
    const std::int64_t in = options.in_channels, out = options.out_channels;
    const std::int64_t time = options.time_channels, groups = options.groups;
    const double eps = options.eps;
    norm1_ = register_module("norm1", GroupNorm(groups, in, eps));
    conv1_ = register_module("conv1", Conv(ConvOptions{.in = in, .out = out, .padding = 1}));
    if (time > 0)
        time_ = register_module("time_emb_proj", Linear(time, scale_shift_ ? 2 * out : out));
    norm2_ = register_module("norm2", GroupNorm(groups, out, eps));
    conv2_ = register_module("conv2", Conv(ConvOptions{.in = out, .out = out, .padding = 1}));
    if (in != out)
        shortcut_ =
            register_module("conv_shortcut", Conv(ConvOptions{.in = in, .out = out, .kernel = 1}));
}

at::Tensor ResBlockImpl::resampled(const at::Tensor& x) const
{
    if (resample_ == Resample::Up) return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
    return resample_ == Resample::Down ? at::avg_pool2d(x, 2) : x;
}

at::Tensor ResBlockImpl::forward(const at::Tensor& x, const at::Tensor& time)
{
    at::Tensor h = conv1_(resampled(norm1_->forward_silu(x))); // [N, Cout, H, W]
    at::Tensor own;                                            // [N, C, 1, 1], broadcast over H, W
    if (time_) own = time_(at::silu(time)).unsqueeze(-1).unsqueeze(-1);
    if (time_ && !scale_shift_) h = add_to(h, own);
    if (time_ && scale_shift_) {
        const auto halves = own.chunk(2, 1);
        h = at::silu(norm2_(h) * (1.0 + halves[0]) + halves[1]);
    } else {
        h = norm2_->forward_silu(h);
    }
    const at::Tensor straight = resampled(x);
    return add_to(conv2_(h), shortcut_ ? shortcut_(straight) : straight);
}

DownsampleImpl::DownsampleImpl(std::int64_t channels, std::int64_t padding)
    : is_asymmetric_(padding == 0)
{
    conv_ = register_module(
        "conv",
        Conv(ConvOptions{.in = channels, .out = channels, .stride = 2, .padding = padding}));
}

at::Tensor DownsampleImpl::forward(const at::Tensor& x)
{
    return conv_(is_asymmetric_ ? at::constant_pad_nd(x, {0, 1, 0, 1}) : x);
}

UpsampleImpl::UpsampleImpl(std::int64_t channels)
{
    conv_ =
        register_module("conv", Conv(ConvOptions{.in = channels, .out = channels, .padding = 1}));
}

at::Tensor UpsampleImpl::forward(const at::Tensor& x, std::optional<at::IntArrayRef> size)
{
    const std::vector<std::int64_t> out =
        size ? size->vec() : std::vector<std::int64_t>{2 * x.size(2), 2 * x.size(3)};
    return conv_(at::upsample_nearest2d(x, out));
}

} // namespace velamen::nn
