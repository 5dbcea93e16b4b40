// SPDX-License-Identifier: GPL-3.0-or-later
//
// Stage 2 of public training: the UNet on the autoencoder's latents, and what conditions it.

#pragma once

#include <functional>
#include <memory>

#include "engine/core/result.h"
#include "engine/diffusion/schedule.h"
#include "engine/nn/conditioner/clip_text.h"
#include "engine/nn/conditioner/conditioner.h"
#include "engine/nn/unet/config.h"
#include "engine/nn/unet/model.h"
#include "engine/train/public/pretrain.h"
#include "engine/train/public/stage.h"

namespace velamen::train {

/// The UNet that a plan asks for.
nn::UNet2DConditionConfig unet_config(const PretrainPlan& plan);
/// The text encoder that it asks for, where it trains by caption.
nn::ClipTextConfig text_config(const PretrainPlan& plan);
/// Cosine (squaredcos_cap_v2), 1000 steps, v-prediction, trailing timesteps, no clipping.
Result<diffusion::Schedule> pretrain_schedule();

/// Mean and standard deviation of each latent element over the set.
struct LatentMoments {
    at::Tensor mean, std; // fp32 [C, H, W]
};
/// The std is at least 5 % of its root mean square: elements that hardly vary are not blown up.
LatentMoments moments_of(const at::Tensor& latents); // [N, C, H, W]

class UnetStage final : public Stage {
public:
    using MakeConditioner = std::function<std::shared_ptr<nn::Conditioner>()>;

    /// Borrows plan and schedule. latents: normalised, [N, C, H, W]; labels: [N]. `make` is called
    /// twice: for the weights and their averages.
    UnetStage(const PretrainPlan& plan, const diffusion::Schedule& schedule, at::Tensor latents,
              at::Tensor labels, const MakeConditioner& make);

    StepReport step(std::int64_t index) override;
    std::int64_t steps() const override { return plan_.unet_steps; }
    std::int64_t batch() const override { return plan_.unet_batch; }
    NamedTensors state() const override;

    /// The averaged weights: what is saved and drawn from.
    nn::UNet averaged_unet() const { return averaged_unet_; }
    nn::Conditioner& averaged_conditioner() const { return *averaged_conditioner_; }

private:
    const PretrainPlan& plan_;
    const diffusion::Schedule& schedule_;
    at::Tensor latents_, labels_;
    nn::UNet unet_{nullptr}, averaged_unet_{nullptr};
    std::shared_ptr<nn::Conditioner> conditioner_, averaged_conditioner_;
    std::vector<at::Tensor> weights_, averages_;
    std::unique_ptr<AdamW> optimiser_;
};

} // namespace velamen::train
