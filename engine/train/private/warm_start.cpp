// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/warm_start.h"

#include <cmath>

#include <torch/torch.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/diffusion/schedule.h"
#include "engine/nn/autoencoder/model.h"
#include "engine/nn/unet/model.h"
#include "engine/train/public/adamw.h"

namespace velamen::train {

namespace {

constexpr std::int64_t kBatch = 256;
constexpr double kRate = 5e-4;
constexpr double kTableRate = 1e-2;
/// Of the timesteps: below, details matter that a Gaussian does not have.
constexpr double kFirstTime = 0.4;

/// Public rows: a latent from the Gaussian of its class.
class MomentRows {
public:
    MomentRows(const privacy::ClassMoments& moments, std::vector<std::int64_t> shape,
               const TrainingPlan& plan, std::int64_t timesteps, std::int64_t null_class)
        : shape_(std::move(shape)), dropout_(plan.optimiser.class_dropout), timesteps_(timesteps),
          null_class_(null_class)
    {
        const auto d = moments.dimensions;
        const auto to_tensor = [](const std::vector<double>& values, at::IntArrayRef sizes) {
            return torch::tensor(values, torch::kDouble).view(sizes);
        };
        means_ = to_tensor(moments.means, {-1, d});
        shares_ = to_tensor(moments.shares, {-1});
        root_ = at::linalg_cholesky(to_tensor(moments.covariance, {d, d})
                                    + 1e-6 * torch::eye(d, torch::kDouble));
        generator_ = at::make_generator<at::CPUGeneratorImpl>(core::random_seed());
    }

    Rows draw()
    {
        at::Tensor classes = at::multinomial(shares_, kBatch, true, generator_);
        const at::Tensor normals =
            torch::randn({kBatch, root_.size(0)}, generator_, torch::kDouble);
        const at::Tensor latents =
            (means_.index_select(0, classes) + normals.matmul(root_.t())).to(torch::kFloat32);
        std::vector<std::int64_t> sizes{kBatch};
        sizes.insert(sizes.end(), shape_.begin(), shape_.end());
        const auto first = static_cast<std::int64_t>(kFirstTime * static_cast<double>(timesteps_));
        const at::Tensor times =
            torch::randint(first, timesteps_, {kBatch}, generator_, torch::kInt64);
        const at::Tensor dropped = torch::rand({kBatch}, generator_) < dropout_;
        classes.masked_fill_(dropped, null_class_);
        return {latents.view(sizes), torch::randn(sizes, generator_), times, classes};
    }

private:
    std::vector<std::int64_t> shape_;
    double dropout_;
    std::int64_t timesteps_, null_class_;
    at::Tensor means_, shares_, root_;
    at::Generator generator_;
};

} // namespace

Result<privacy::ClassMomentSum> class_moment_sum(const Dataset& dataset, const TrainingPlan& plan)
{
    const data::LatentCache& cache = dataset.latents;
    const double length = std::ceil(std::sqrt(static_cast<double>(cache.row())));
    VELAMEN_ASSIGN(const auto clip, privacy::ClippingNorm::create(length));
    VELAMEN_ASSIGN(
        auto sum,
        privacy::ClassMomentSum::create({.clip = clip,
                                         .dimensions = cache.row(),
                                         .classes = static_cast<std::int64_t>(plan.classes.size()),
                                         .public_units = plan.privacy.public_units}));
    std::vector<float> images;
    std::vector<std::int64_t> classes;
    for (const data::Unit& unit : dataset.units) {
        images.clear();
        classes.clear();
        for (const std::int64_t image : unit.images) {
            const auto latent = cache.latent(image);
            images.insert(images.end(), latent.begin(), latent.end());
            classes.push_back(cache.class_index[static_cast<std::size_t>(image)]);
        }
        VELAMEN_TRY(sum.add(images, classes));
    }
    return sum;
}

Result<> learn_class_moments(PrivateModel& model, const privacy::ClassMoments& moments,
                             const TrainingPlan& plan, const std::stop_token& stop,
                             const Counter& counter)
{
    const auto& unet = model.checkpoint().unet().config();
    const auto& vae = model.checkpoint().autoencoder().config();
    const std::int64_t side = vae.sample_size / vae.factor();
    MomentRows rows(moments, std::vector<std::int64_t>{unet.in_channels, side, side}, plan,
                    model.checkpoint().schedule().num_train_timesteps(), model.null_class());
    NamedTensors table, rest;
    for (const auto& entry : model.trained())
        (entry.name.starts_with("class_embedder/") ? table : rest)
            .emplace_back(entry.name, entry.tensor);
    const AdamWOptions options{.beta2 = 0.99, .weight_decay = 0.0};
    AdamW slow(rest, options), fast(table, options);
    const std::int64_t steps = plan.optimiser.warm_start_steps;
    for (std::int64_t step = 0; step < steps; ++step) {
        if (stop.stop_requested())
            return fail(ErrorCode::Cancelled, "the run was stopped during its warm start",
                        "what the warm start released stays spent; resuming begins without it");
        counter(step, steps);
        slow.zero_gradients();
        fast.zero_gradients();
        model.public_loss(rows.draw()).backward();
        const double rise = std::min(1.0, static_cast<double>(step + 1) / 10.0);
        slow.step(kRate * rise);
        if (!table.empty()) fast.step(kTableRate * rise);
    }
    for (const auto& entry : model.trained())
        entry.tensor.mutable_grad() = at::Tensor(); // private steps refuse ordinary gradients
    counter(steps, steps);
    return {};
}

} // namespace velamen::train
