// SPDX-License-Identifier: GPL-3.0-or-later
//
// The stages of the UNet: resolutions going down, the middle, and going up. Submodule names are
// diffusers' keys.

#pragma once

#include <vector>

#include <torch/nn/module.h>

#include "engine/nn/layers/attention.h"
#include "engine/nn/layers/res_block.h"
#include "engine/nn/unet/plan.h"

namespace velamen::nn {

/// The attention after a residual block: one of the kinds, or none.
class Mixers {
public:
    /// Adds one for `channels`.
    void add(std::int64_t channels, const StageOptions& options);
    /// Registers them as "attentions" of `stage`, if there are any.
    void register_in(torch::nn::Module& stage) const;
    at::Tensor forward(std::size_t index, const at::Tensor& x, const at::Tensor& context);

private:
    std::vector<Transformer2D> transformers_;
    std::vector<SpatialAttention> attentions_;
};

/// DownBlock2D, CrossAttnDownBlock2D, AttnDownBlock2D.
class DownStageImpl final : public torch::nn::Module {
public:
    DownStageImpl(std::int64_t in, std::int64_t out, std::int64_t layers, bool has_downsample,
                  const StageOptions& options);

    /// Appends every intermediate output to `skips` and returns the last.
    at::Tensor forward(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                       std::vector<at::Tensor>& skips);

private:
    std::vector<ResBlock> resnets_;
    Mixers mixers_;
    Downsample downsample_{nullptr};
    ResBlock down_resnet_{nullptr};
};

/// UNetMidBlock2DCrossAttn, UNetMidBlock2D.
class MidStageImpl final : public torch::nn::Module {
public:
    MidStageImpl(std::int64_t channels, const StageOptions& options);
    at::Tensor forward(const at::Tensor& x, const at::Tensor& time, const at::Tensor& context);

private:
    std::vector<ResBlock> resnets_;
    Mixers mixers_;
};

/// UpBlock2D, CrossAttnUpBlock2D, AttnUpBlock2D.
class UpStageImpl final : public torch::nn::Module {
public:
    /// `below`: channels of the stage before; `skip_in`: channels entering the matching down stage.
    UpStageImpl(std::int64_t below, std::int64_t out, std::int64_t skip_in, std::int64_t layers,
                bool has_upsample, const StageOptions& options);

    /// Takes its skips from the end of `skips`; upsamples to the size of the next one.
    at::Tensor forward(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                       std::vector<at::Tensor>& skips);

private:
    std::vector<ResBlock> resnets_;
    Mixers mixers_;
    Upsample upsample_{nullptr};
    ResBlock up_resnet_{nullptr};
};

} // namespace velamen::nn
