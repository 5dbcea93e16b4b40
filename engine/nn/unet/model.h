// SPDX-License-Identifier: GPL-3.0-or-later
//
// The conditional latent UNet (diffusers' UNet2DConditionModel). Parameter
// names are diffusers' keys. It does not know how it is trained.

#pragma once

#include <memory>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/norm.h"
#include "engine/nn/layers/time_embedding.h"
#include "engine/nn/unet/config.h"

namespace velamen::nn {

class DownStageImpl;
class MidStageImpl;
class UpStageImpl;

/// Fresh parameters have torch's default initial values. One thread.
class UNet2DConditionImpl final : public torch::nn::Module {
public:
    /// `config.check()` must hold.
    explicit UNet2DConditionImpl(const UNet2DConditionConfig& config);
    ~UNet2DConditionImpl() override;

    /// sample: [N, C, H, W], timestep: [N] float (fractions allowed),
    /// encoder_hidden_states: [N, L, D] (may require grad)  ->  [N, Cout, H, W]
    at::Tensor forward(const at::Tensor& sample, const at::Tensor& timestep,
                       const at::Tensor& encoder_hidden_states);

    /// From now on activations and frozen weights are bfloat16; trained weights
    /// (decide them before), norms, the input and the output stay fp32. Rounds
    /// the frozen weights for good.
    void use_bfloat16();

    /// Borrowed; null detaches.
    void set_tap(Tap* tap);
    const UNet2DConditionConfig& config() const noexcept { return config_; }

private:
    UNet2DConditionConfig config_;
    bool is_bfloat16_ = false;
    Conv conv_in_{nullptr}, conv_out_{nullptr};
    TimeEmbedding time_embedding_{nullptr};
    GroupNorm norm_out_{nullptr};
    std::vector<std::shared_ptr<DownStageImpl>> down_;
    std::shared_ptr<MidStageImpl> mid_;
    std::vector<std::shared_ptr<UpStageImpl>> up_;
};
TORCH_MODULE(UNet2DCondition);

} // namespace velamen::nn
