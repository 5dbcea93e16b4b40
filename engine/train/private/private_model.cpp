// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/private_model.h"

#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <c10/util/ScopeExit.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/lora.h"
#include "engine/checkpoint/tensors.h"
#include "engine/diffusion/schedule.h"
#include "engine/diffusion/target.h"
#include "engine/dpsgd/clipper.h"
#include "engine/nn/autoencoder/autoencoder.h"
#include "engine/nn/conditioner/conditioner.h"
#include "engine/nn/unet/model.h"

namespace velamen::train {

Rows Rows::part(std::int64_t first, std::int64_t count) const
{
    return {latents.narrow(0, first, count), noise.narrow(0, first, count),
            times.narrow(0, first, count), classes.narrow(0, first, count)};
}

Rows random_rows(checkpoint::Checkpoint& checkpoint, std::int64_t rows, std::uint64_t seed)
{
    const std::int64_t channels = checkpoint.unet().plan().in_channels;
    const std::int64_t side = checkpoint.latent_size();
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    const std::vector<std::int64_t> shape{rows, channels, side, side};
    return {torch::randn(shape, generator), torch::randn(shape, generator),
            torch::randint(checkpoint.schedule().num_train_timesteps(), {rows}, generator,
                           torch::kInt64),
            torch::randint(checkpoint.conditioner().rows(), {rows}, generator, torch::kInt64)};
}

Result<> prepare(checkpoint::Checkpoint& checkpoint, const TrainingPlan& plan)
{
    if (plan.image_size > 0) VELAMEN_TRY(checkpoint.set_image_size(plan.image_size));
    if (!plan.caption.empty()) VELAMEN_TRY(checkpoint.set_caption(plan.caption));
    return checkpoint.set_classes(plan.classes, static_cast<std::uint64_t>(plan.preview_seed));
}

Result<std::vector<std::string>> changed_tensors(checkpoint::Checkpoint& checkpoint,
                                                 const TrainingPlan& plan)
{
    std::vector<std::string> all;
    for (const auto& [name, tensor] : checkpoint::named_tensors(checkpoint))
        all.push_back(name);
    return checkpoint::select_tensors(all, plan.selection, plan.skip_dead, plan.train_conditioner);
}

namespace {

/// The changed tensors themselves, or the factors in place of those in the UNet.
Result<checkpoint::NamedTensorList> trainable_tensors(checkpoint::Checkpoint& checkpoint,
                                                      const TrainingPlan& plan,
                                                      const std::vector<std::string>& changed)
{
    VELAMEN_ASSIGN(const auto selection, checkpoint::Selection::parse(plan.selection));
    checkpoint::NamedTensorList out;
    if (selection.is_lora()) {
        VELAMEN_ASSIGN(out,
                       checkpoint::attach_lora(checkpoint, changed, selection,
                                               static_cast<std::uint64_t>(plan.preview_seed)));
    }
    const std::set<std::string> names(changed.begin(), changed.end());
    for (const auto& [name, tensor] : checkpoint::named_tensors(checkpoint))
        if (names.contains(name)
            && !(selection.is_lora() && name.starts_with(checkpoint::kUNetPrefix)))
            out.emplace_back(name, tensor);
    return out;
}

} // namespace

Result<std::unique_ptr<PrivateModel>> PrivateModel::create(const TrainingPlan& plan)
{
    std::unique_ptr<PrivateModel> model(new PrivateModel);
    VELAMEN_ASSIGN(model->checkpoint_, checkpoint::Checkpoint::load(plan.checkpoint));
    auto& checkpoint = *model->checkpoint_;
    VELAMEN_TRY(prepare(checkpoint, plan));
    VELAMEN_ASSIGN(model->names_, changed_tensors(checkpoint, plan));
    for (auto& parameter : checkpoint.autoencoder().parameters())
        parameter.requires_grad_(false);
    for (const auto& [name, tensor] : checkpoint::named_tensors(checkpoint))
        tensor.set_requires_grad(false);
    std::vector<std::string> dead; // reachable, but with a gradient of zero
    VELAMEN_ASSIGN(const auto trainable, trainable_tensors(checkpoint, plan, model->names_));
    for (const auto& [name, tensor] : trainable) {
        tensor.set_requires_grad(true);
        model->trained_.push_back(
            {name, tensor,
             name.starts_with(checkpoint::kEmbedderPrefix) ? plan.optimiser.embedding_scale : 1.0});
        if (checkpoint.has_class_table() && checkpoint::is_dead_under_one_token(name))
            dead.push_back(name);
    }
    VELAMEN_TRY(dpsgd::check_trained(model->trained_));
    VELAMEN_TRY(dpsgd::check_module(checkpoint.unet(), model->trained_));
    model->tape_ = std::make_unique<dpsgd::GradTape>(model->trained_);
    model->set_tap(model->tape_.get());
    const Rows pool = random_rows(checkpoint, 3, 0);
    VELAMEN_TRY(dpsgd::check_independence([&](const at::Tensor& rows) {
        const auto part = [&](const at::Tensor& of_pool) { return of_pool.index_select(0, rows); };
        model->tape_->clear();
        return model->forward_backward(
            {part(pool.latents), part(pool.noise), part(pool.times), part(pool.classes)}, 1);
    }));
    VELAMEN_TRY(model->tape_->check_known());
    VELAMEN_TRY(dpsgd::check_recorded(*model->tape_, model->trained_, dead));
    model->dead_ = dead;
    model->tape_->clear();
    if (plan.precision == "bf16") checkpoint.unet().use_bfloat16();
    return model;
}

PrivateModel::~PrivateModel()
{
    if (checkpoint_) set_tap(nullptr);
}

void PrivateModel::set_tap(nn::Tap* tap)
{
    checkpoint_->unet().set_tap(tap);
    checkpoint_->conditioner().set_tap(tap);
}

std::int64_t PrivateModel::null_class() const { return checkpoint_->conditioner().null_class(); }

PrivateModel::Prediction PrivateModel::predict(const Rows& rows)
{
    const auto& schedule = checkpoint_->schedule();
    const auto noisy = diffusion::add_noise(schedule, rows.latents, rows.noise, rows.times);
    const auto context = checkpoint_->conditioner().forward(rows.classes); // [R, L, D]
    return {checkpoint_->unet().forward(noisy, rows.times.to(torch::kFloat32), context),
            diffusion::target(schedule, rows.latents, rows.noise, rows.times)};
}

at::Tensor PrivateModel::row_losses(const Rows& rows)
{
    const auto [made, wanted] = predict(rows);
    return (made - wanted).square().flatten(1).mean(1);
}

at::Tensor PrivateModel::forward_backward(const Rows& rows, std::int64_t rows_per_unit)
{
    const auto losses = dpsgd::unit_losses(row_losses(rows), rows_per_unit);
    losses.sum().backward();
    return losses.detach();
}

at::Tensor PrivateModel::forward_backward_part(const Rows& rows, std::int64_t unit_rows)
{
    const auto loss = dpsgd::part_loss(row_losses(rows), unit_rows);
    loss.backward();
    return loss.detach();
}

at::Tensor PrivateModel::public_loss(const Rows& rows)
{
    set_tap(nullptr);
    const auto tapped_again = c10::make_scope_exit([this] { set_tap(tape_.get()); });
    const auto [made, wanted] = predict(rows);
    return at::mse_loss(made, wanted);
}

bool has_bf16_units()
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") > 0;
#else
    return false;
#endif
}

dpsgd::FrozenWatch PrivateModel::watch_unet() const { return {checkpoint_->unet(), trained_}; }

dpsgd::FrozenWatch PrivateModel::watch_conditioner() const
{
    return {checkpoint_->conditioner(), trained_};
}

namespace {

/// One block for each transformer block, one for the class table.
void number_blocks(dpsgd::TrainedTensors& trained)
{
    std::map<std::string, int> numbers;
    for (auto& entry : trained)
        entry.block =
            numbers.emplace(checkpoint::block_of(entry.name).name, static_cast<int>(numbers.size()))
                .first->second;
}

dpsgd::ClippingStyle style_of(const std::string& clipping)
{
    return clipping == "per_block" ? dpsgd::ClippingStyle::PerBlock
        : clipping == "automatic"  ? dpsgd::ClippingStyle::Automatic
                                   : dpsgd::ClippingStyle::Flat;
}

} // namespace

Result<dpsgd::Clipper> make_clipper(const TrainingPlan& plan, dpsgd::TrainedTensors trained)
{
    VELAMEN_ASSIGN(const auto clip, privacy::ClippingNorm::create(plan.optimiser.clipping_norm));
    VELAMEN_ASSIGN(
        const auto batch,
        privacy::ExpectedBatch::create(static_cast<double>(plan.privacy.expected_batch)));
    number_blocks(trained);
    const dpsgd::ClipOptions options{.style = style_of(plan.optimiser.clipping)};
    if (!plan.privacy.hardened) return dpsgd::Clipper(std::move(trained), clip, batch, options);
    VELAMEN_ASSIGN(const auto noise, step_noise_of(plan.privacy));
    return dpsgd::Clipper::hardened(std::move(trained), clip, batch, noise, options);
}

} // namespace velamen::train
