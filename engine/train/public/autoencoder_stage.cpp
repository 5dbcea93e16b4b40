// SPDX-License-Identifier: GPL-3.0-or-later
//
// AdamW with a linear fall to zero; 1 image in 20 (at most 2,000) is held out for the PSNR.

#include "engine/train/public/autoencoder_stage.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace velamen::train {

namespace {

constexpr std::int64_t kMaxHeldOut = 2000;
constexpr std::int64_t kEvaluationBatch = 250;

NamedTensors named(const nn::AutoencoderKL& model)
{
    NamedTensors all;
    for (const auto& item : model->named_parameters())
        all.emplace_back("vae/" + item.key(), item.value());
    return all;
}

double rate(const PretrainPlan& plan, std::int64_t step)
{
    const std::int64_t warmup =
        std::clamp<std::int64_t>(plan.autoencoder_steps / 10, std::int64_t{1}, 200);
    const double rise = std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(warmup));
    const double done = static_cast<double>(step) / static_cast<double>(plan.autoencoder_steps);
    return plan.autoencoder_rate * rise * (1.0 - done);
}

} // namespace

nn::AutoencoderKLConfig autoencoder_config(const PretrainPlan& plan)
{
    const std::size_t levels = plan.vae_channels.size();
    std::int64_t groups = 8;
    for (const std::int64_t channels : plan.vae_channels)
        groups = std::gcd(groups, channels);
    return {.sample_size = plan.image_size,
            .in_channels = plan.image_channels,
            .out_channels = plan.image_channels,
            .down_block_types = std::vector<std::string>(levels, "DownEncoderBlock2D"),
            .up_block_types = std::vector<std::string>(levels, "UpDecoderBlock2D"),
            .block_out_channels = plan.vae_channels,
            .layers_per_block = 1,
            .latent_channels = plan.latent_channels,
            .norm_num_groups = groups,
            .scaling_factor = 1.0};
}

AutoencoderStage::AutoencoderStage(const PretrainPlan& plan, const ImageSet& images)
    : plan_(plan), images_(images)
{
    model_ = nn::AutoencoderKL(autoencoder_config(plan));
    optimiser_ = std::make_unique<AdamW>(
        named(model_), AdamWOptions{.beta1 = 0.9, .beta2 = 0.99, .weight_decay = 1e-4});
    std::vector<std::int64_t> order(static_cast<std::size_t>(images.size()));
    std::iota(order.begin(), order.end(), 0);
    auto noise = draws(plan.seed, Draw::HeldOut, 0);
    for (std::size_t i = order.size(); i > 1; --i) // Fisher, Yates
        std::swap(order[i - 1], order[noise.below(i)]);
    const std::int64_t held =
        std::clamp<std::int64_t>(images.size() / 20, std::int64_t{1}, kMaxHeldOut);
    const at::Tensor all = at::tensor(order, at::kLong);
    held_out_ = all.slice(0, 0, held);
    trained_ = all.slice(0, held);
}

StepReport AutoencoderStage::step(std::int64_t index)
{
    auto noise = draws(plan_.seed, Draw::AutoencoderStep, index);
    const at::Tensor rows =
        trained_.index_select(0, draw_rows(noise, plan_.autoencoder_batch, trained_.size(0)));
    const at::Tensor x = images_.rows(rows);
    at::Tensor mean, logvar, y;
    {
        const Autocast mixed(plan_.bf16);
        const nn::Posterior posterior = model_->encode(x);
        mean = posterior.mean.to(at::kFloat);
        logvar = posterior.logvar.to(at::kFloat);
        const at::Tensor z = mean + draw_normals(noise, mean.sizes()) * (0.5 * logvar).exp();
        y = model_->decode(z);
    }
    const at::Tensor error = at::mse_loss(y.to(at::kFloat), x);
    // KL to a standard normal, summed over one image's latent.
    const at::Tensor divergence =
        0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).sum({1, 2, 3}).mean();
    optimiser_->zero_gradients();
    (error + plan_.kl_weight * divergence).backward();
    StepReport report{.loss = error.item<double>(), .learning_rate = rate(plan_, index)};
    report.gradient_norm = optimiser_->step(report.learning_rate);
    return report;
}

NamedTensors AutoencoderStage::state() const
{
    NamedTensors all = weights();
    for (auto& item : optimiser_->state())
        all.push_back(std::move(item));
    return all;
}

NamedTensors AutoencoderStage::weights() const { return named(model_); }

at::Tensor AutoencoderStage::through(const at::Tensor& x)
{
    return model_->decode(model_->encode(x).mean).clamp(-1.0, 1.0);
}

double AutoencoderStage::held_out_psnr()
{
    const c10::NoGradGuard guard;
    double sum = 0.0;
    for (const at::Tensor& rows : held_out_.split(kEvaluationBatch)) {
        const at::Tensor x = images_.rows(rows);
        const at::Tensor mse = (through(x) - x).square().mean({1, 2, 3}).clamp_min(1e-10);
        sum += (10.0 * at::log10(4.0 / mse)).sum().item<double>();
    }
    return sum / static_cast<double>(held_out_.size(0));
}

std::pair<at::Tensor, at::Tensor> AutoencoderStage::reconstructions(std::int64_t count)
{
    const c10::NoGradGuard guard;
    const at::Tensor x = images_.rows(held_out_.slice(0, 0, count));
    return {x, through(x)};
}

Result<at::Tensor> encode_all(nn::AutoencoderKL model, const ImageSet& images, std::stop_token stop,
                              const std::function<void(std::int64_t, std::int64_t)>& progress)
{
    const c10::NoGradGuard guard;
    std::vector<at::Tensor> parts;
    std::int64_t done = 0;
    for (const at::Tensor& rows : at::arange(images.size(), at::kLong).split(kEvaluationBatch)) {
        if (stop.stop_requested())
            return fail(ErrorCode::Cancelled, "stopped while the images were encoded");
        parts.push_back(model->encode(images.rows(rows)).mean);
        done += rows.size(0);
        progress(done, images.size());
    }
    return at::cat(parts);
}

} // namespace velamen::train
