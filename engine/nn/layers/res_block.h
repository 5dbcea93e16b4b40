// SPDX-License-Identifier: GPL-3.0-or-later
//
// The residual block of UNet and autoencoder, and the steps between resolutions. No attention here.

#pragma once

#include <optional>

#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/linear.h"
#include "engine/nn/layers/norm.h"

namespace velamen::nn {

enum class Resample { None, Down, Up };

struct ResBlockOptions {
    std::int64_t in_channels = 1;
    std::int64_t out_channels = 1;
    std::int64_t time_channels = 0; ///< 0: no time embedding (autoencoders)
    std::int64_t groups = 32;       ///< GroupNorm only: it keeps samples independent
    double eps = 1e-5;
    bool scale_shift = false; ///< time scales and shifts the second norm's output, else it is added
    Resample resample = Resample::None; ///< by 2, of both branches, after the first norm
};

/// Two norm-SiLU-conv stages, the time embedding added between them. Submodule names are the
/// checkpoint's keys.
class ResBlockImpl final : public torch::nn::Module {
public:
    explicit ResBlockImpl(const ResBlockOptions& options);

    /// x: [N, Cin, H, W], time: [N, T] (ignored without time_channels)  ->  [N, Cout, H, W], or
    /// H/2, W/2 or 2 H, 2 W when it resamples
    at::Tensor forward(const at::Tensor& x, const at::Tensor& time = {});

private:
    at::Tensor resampled(const at::Tensor& x) const;

    bool scale_shift_;
    Resample resample_;
    GroupNorm norm1_{nullptr}, norm2_{nullptr};
    Conv conv1_{nullptr}, conv2_{nullptr}, shortcut_{nullptr};
    Linear time_{nullptr};
};
TORCH_MODULE(ResBlock);

/// Halves the resolution by a strided convolution.
class DownsampleImpl final : public torch::nn::Module {
public:
    /// padding 1: on all sides (UNet); 0: one row and column right and below (autoencoders).
    DownsampleImpl(std::int64_t channels, std::int64_t padding);

    /// [N, C, H, W]  ->  [N, C, H/2, W/2]
    at::Tensor forward(const at::Tensor& x);

private:
    bool is_asymmetric_;
    Conv conv_{nullptr};
};
TORCH_MODULE(Downsample);

/// Nearest neighbour to `size` (by default twice the resolution), then a convolution.
class UpsampleImpl final : public torch::nn::Module {
public:
    explicit UpsampleImpl(std::int64_t channels);

    at::Tensor forward(const at::Tensor& x, std::optional<at::IntArrayRef> size = std::nullopt);

private:
    Conv conv_{nullptr};
};
TORCH_MODULE(Upsample);

} // namespace velamen::nn
