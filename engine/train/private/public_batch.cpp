// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/public_batch.h"

#include <algorithm>
#include <exception>
#include <string>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/diffusion/schedule.h"
#include "engine/generate/latent_scale.h"
#include "engine/nn/autoencoder/slices.h"
#include "engine/train/public/image_set.h"

namespace velamen::train {

namespace {

/// int64 [classes of the set]: the plan's class of that name, else the null class.
at::Tensor class_map(const std::vector<std::string>& names, const TrainingPlan& plan,
                     std::int64_t null_class)
{
    std::vector<std::int64_t> map;
    for (const std::string& name : names) {
        const auto at = std::find(plan.classes.begin(), plan.classes.end(), name);
        map.push_back(at == plan.classes.end() ? null_class : at - plan.classes.begin());
    }
    return torch::tensor(map, torch::kInt64);
}

} // namespace

Result<PublicBatch> PublicBatch::load(const TrainingPlan& plan, PrivateModel& model,
                                      std::stop_token stop, const Counter& encoding)
{
    auto& vae = model.checkpoint().autoencoder();
    VELAMEN_ASSIGN(const auto scale, generate::LatentScale::of(model.checkpoint()));
    const std::int64_t size = model.checkpoint().image_size();
    VELAMEN_ASSIGN(const ImageSet images,
                   load_images(plan.public_source, "folder", static_cast<int>(size),
                               static_cast<int>(vae.sizes().image_channels), stop, encoding));
    if (plan.optimiser.public_batch > images.size())
        return fail(ErrorCode::Refused,
                    "a batch of " + std::to_string(plan.optimiser.public_batch)
                        + " public images was planned, but the public folder has "
                        + std::to_string(images.size()),
                    "plan a smaller public batch, or add public images");
    PublicBatch batch;
    batch.size_ = plan.optimiser.public_batch;
    batch.class_dropout_ = plan.optimiser.class_dropout;
    batch.seed_ = plan.preview_seed;
    batch.classes_ =
        class_map(images.classes, plan, model.null_class()).index_select(0, images.labels);
    const std::int64_t count = encode_batch(size);
    const torch::NoGradGuard no_grad;
    std::vector<at::Tensor> parts;
    for (std::int64_t first = 0; first < images.size(); first += count) {
        if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "stopped while encoding");
        const auto rows = torch::arange(first, std::min(images.size(), first + count));
        parts.push_back(scale.to_model(nn::encode_means(vae, images.rows(rows))));
    }
    batch.latents_ = torch::cat(parts);
    return batch;
}

Rows PublicBatch::draw(PrivateModel& model, std::int64_t step) const
{
    // Public randomness; a seed of its own for each step, so that resuming draws the same batch.
    auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(seed_)
                                                                  * 0x9E3779B97F4A7C15ULL
                                                              + static_cast<std::uint64_t>(step));
    const at::Tensor picks = torch::randint(latents_.size(0), {size_}, generator, torch::kInt64);
    Rows rows{latents_.index_select(0, picks), {}, {}, classes_.index_select(0, picks)};
    rows.noise = torch::randn(rows.latents.sizes(), generator);
    rows.times = torch::randint(model.checkpoint().schedule().num_train_timesteps(), {size_},
                                generator, torch::kInt64);
    rows.classes.masked_fill_(torch::rand({size_}, generator) < class_dropout_, model.null_class());
    return rows;
}

Result<std::vector<at::Tensor>> PublicBatch::gradient(PrivateModel& model, std::int64_t step,
                                                      std::int64_t rows_per_pass) const
try {
    const Rows rows = draw(model, step);
    std::vector<at::Tensor> tensors, sums;
    for (const auto& entry : model.trained()) {
        tensors.push_back(entry.tensor);
        sums.push_back(torch::zeros(entry.tensor.sizes(), torch::kFloat32));
    }
    for (std::int64_t first = 0; first < size_; first += rows_per_pass) {
        const std::int64_t count = std::min(rows_per_pass, size_ - first);
        const auto loss = model.public_loss(rows.part(first, count));
        const auto gradients = torch::autograd::grad({loss}, tensors, {}, {}, false, true);
        for (std::size_t i = 0; i < sums.size(); ++i)
            if (gradients[i].defined())
                sums[i].add_(gradients[i].to(torch::kFloat32),
                             static_cast<double>(count) / static_cast<double>(size_));
    }
    return sums;
} catch (const std::exception& error) { // public values only
    return fail(ErrorCode::Internal,
                std::string("the gradient of the public images failed: ") + error.what());
}

} // namespace velamen::train
