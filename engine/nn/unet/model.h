// SPDX-License-Identifier: GPL-3.0-or-later
//
// The latent UNet: diffusers' UNet2DConditionModel, UNet2DModel and what latent-diffusion has
// beside them, as one graph made from a plan. Parameter names are diffusers' keys. It does not know
// how it is trained.

#pragma once

#include <memory>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/embedding.h"
#include "engine/nn/layers/norm.h"
#include "engine/nn/layers/time_embedding.h"
#include "engine/nn/unet/plan.h"

namespace velamen::nn {

class DownStageImpl;
class MidStageImpl;
class UpStageImpl;

/// Fresh parameters have torch's default initial values. One thread.
class UNetImpl final : public torch::nn::Module {
public:
    /// `plan`: of a config that holds.
    explicit UNetImpl(const UNetPlan& plan);
    ~UNetImpl() override;

    /// sample: [N, C, H, W], timestep: [N] or [1] float (fractions allowed), context: [N, L, D]
    /// (may require grad; undefined when the plan has none), labels: [N] (int64; only with
    /// class_rows)
    /// ->  [N, Cout, H, W]
    at::Tensor forward(const at::Tensor& sample, const at::Tensor& timestep,
                       const at::Tensor& context = {}, const at::Tensor& labels = {});

    /// From now on activations and frozen weights are bfloat16; trained weights
    /// (decide them before), norms, the input and the output stay fp32. Rounds
    /// the frozen weights for good.
    void use_bfloat16();

    /// Borrowed; null detaches.
    void set_tap(Tap* tap);
    const UNetPlan& plan() const noexcept { return plan_; }

private:
    UNetPlan plan_;
    bool is_bfloat16_ = false;
    Conv conv_in_{nullptr}, conv_out_{nullptr};
    TimeEmbedding time_embedding_{nullptr};
    Embedding class_embedding_{nullptr};
    GroupNorm norm_out_{nullptr};
    std::vector<std::shared_ptr<DownStageImpl>> down_;
    std::shared_ptr<MidStageImpl> mid_;
    std::vector<std::shared_ptr<UpStageImpl>> up_;
};
TORCH_MODULE(UNet);

} // namespace velamen::nn
