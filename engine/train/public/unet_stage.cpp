// SPDX-License-Identifier: GPL-3.0-or-later
//
// AdamW with a cosine, averaged weights, dropped classes, stratified timesteps.

#include "engine/train/public/unet_stage.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "engine/diffusion/target.h"
#include "engine/train/public/autoencoder_stage.h"

namespace velamen::train {

namespace {

constexpr double kClassDropout = 0.1;
constexpr double kAverageDecay = 0.999;
constexpr double kSmallestStd = 0.05; ///< of the root mean square over the elements

NamedTensors named(const nn::UNet& unet, const nn::Conditioner& conditioner,
                   const std::string& prefix)
{
    NamedTensors all;
    for (const auto& item : unet->named_parameters())
        all.emplace_back(prefix + "unet/" + item.key(), item.value());
    for (const auto& item : conditioner.named_parameters())
        all.emplace_back(prefix + "conditioner/" + item.key(), item.value());
    return all;
}

double rate(const PretrainPlan& plan, std::int64_t step)
{
    const std::int64_t warmup = std::clamp<std::int64_t>(plan.unet_steps / 8, std::int64_t{1}, 200);
    const double rise = std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(warmup));
    const double done = static_cast<double>(step) / static_cast<double>(plan.unet_steps);
    const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    return plan.unet_rate * rise * (0.98 * cosine + 0.02);
}

} // namespace

nn::UNet2DConditionConfig unet_config(const PretrainPlan& plan)
{
    const std::size_t levels = plan.unet_channels.size();
    return {.sample_size = plan.image_size / autoencoder_config(plan).factor(),
            .in_channels = plan.latent_channels,
            .out_channels = plan.latent_channels,
            .down_block_types = std::vector<std::string>(levels, "CrossAttnDownBlock2D"),
            .up_block_types = std::vector<std::string>(levels, "CrossAttnUpBlock2D"),
            .block_out_channels = plan.unet_channels,
            .layers_per_block = 1,
            .cross_attention_dim = plan.cross_attention_dim,
            .attention_head_dim = {plan.unet_head_count},
            .use_linear_projection = true,
            .norm_num_groups = plan.unet_groups};
}

nn::ClipTextConfig text_config(const PretrainPlan& plan)
{
    return {.hidden_size = plan.cross_attention_dim,
            .intermediate_size = 4 * plan.cross_attention_dim,
            .num_hidden_layers = plan.text_layers,
            .num_attention_heads = plan.text_heads,
            .max_position_embeddings = plan.text_tokens};
}

Result<diffusion::Schedule> pretrain_schedule()
{
    return diffusion::Schedule::create({.beta_schedule = diffusion::BetaSchedule::SquaredCosCapV2,
                                        .prediction_type = diffusion::PredictionType::VPrediction,
                                        .timestep_spacing = diffusion::TimestepSpacing::Trailing});
}

LatentMoments moments_of(const at::Tensor& latents)
{
    const at::Tensor z = latents.to(at::kDouble);
    const at::Tensor mean = z.mean(0);
    const at::Tensor std = (z - mean).square().mean(0).sqrt();
    const at::Tensor floor = (kSmallestStd * std.square().mean().sqrt()).clamp_min(1e-6);
    return {mean.to(at::kFloat), at::maximum(std, floor).to(at::kFloat)};
}

UnetStage::UnetStage(const PretrainPlan& plan, const diffusion::Schedule& schedule,
                     at::Tensor latents, at::Tensor labels, const MakeConditioner& make)
    : plan_(plan), schedule_(schedule), latents_(std::move(latents)), labels_(std::move(labels))
{
    const nn::UNetPlan graph = unet_config(plan).plan();
    unet_ = nn::UNet(graph);
    conditioner_ = make();
    averaged_unet_ = nn::UNet(graph);
    averaged_conditioner_ = make();
    const NamedTensors weights = named(unet_, *conditioner_, "");
    const NamedTensors averages = named(averaged_unet_, *averaged_conditioner_, "");
    const c10::NoGradGuard guard;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights_.push_back(weights[i].second);
        averages_.push_back(averages[i].second);
        averages_.back().requires_grad_(false).copy_(weights_.back());
    }
    optimiser_ = std::make_unique<AdamW>(weights, AdamWOptions{});
}

StepReport UnetStage::step(std::int64_t index)
{
    const std::int64_t n = plan_.unet_batch;
    const std::int64_t count = schedule_.num_train_timesteps();
    auto noise = draws(plan_.seed, Draw::UnetStep, index);
    const at::Tensor rows = draw_rows(noise, n, latents_.size(0));
    const at::Tensor x0 = latents_.index_select(0, rows);
    at::Tensor classes = labels_.index_select(0, rows);
    at::Tensor t = at::empty({n}, at::kLong);
    for (std::int64_t i = 0; i < n; ++i) {
        const double share = (static_cast<double>(i) + noise.uniform()) / static_cast<double>(n);
        t.data_ptr<std::int64_t>()[i] =
            std::min(static_cast<std::int64_t>(share * static_cast<double>(count)), count - 1);
        if (noise.uniform() < kClassDropout)
            classes.data_ptr<std::int64_t>()[i] = conditioner_->null_class();
    }
    const at::Tensor e = draw_normals(noise, x0.sizes());
    const at::Tensor xt = diffusion::add_noise(schedule_, x0, e, t);
    const at::Tensor v = diffusion::target(schedule_, x0, e, t);
    at::Tensor predicted;
    {
        const Autocast mixed(plan_.bf16);
        predicted = unet_->forward(xt, t.to(at::kFloat), conditioner_->forward(classes));
    }
    const at::Tensor loss = at::mse_loss(predicted.to(at::kFloat), v);
    optimiser_->zero_gradients();
    loss.backward();
    StepReport report{.loss = loss.item<double>(), .learning_rate = rate(plan_, index)};
    report.gradient_norm = optimiser_->step(report.learning_rate);

    const c10::NoGradGuard guard;
    const auto done = static_cast<double>(index + 1);
    const double decay = std::min(kAverageDecay, (1.0 + done) / (10.0 + done));
    at::_foreach_lerp_(averages_, weights_, 1.0 - decay);
    return report;
}

NamedTensors UnetStage::state() const
{
    NamedTensors all = named(unet_, *conditioner_, "");
    for (auto& item : named(averaged_unet_, *averaged_conditioner_, "average/"))
        all.push_back(std::move(item));
    for (auto& item : optimiser_->state())
        all.push_back(std::move(item));
    return all;
}

} // namespace velamen::train
