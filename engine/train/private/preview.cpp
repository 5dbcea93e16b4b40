// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/preview.h"

#include <algorithm>
#include <string_view>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/tensors.h"
#include "engine/core/assert.h"
#include "engine/generate/render.h"
#include "engine/nn/conditioner/conditioner.h"
#include "engine/nn/unet/model.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

namespace {

constexpr int kPreviewSteps = 10;
constexpr std::size_t kMostClasses = 12;
/// Of the images that are drawn at a time.
constexpr std::int64_t kPixels = 512 * 512;

} // namespace

Preview::Preview(std::unique_ptr<checkpoint::Checkpoint> checkpoint, generate::LatentScale scale,
                 PrivateModel& model)
    : checkpoint_(std::move(checkpoint)), scale_(std::move(scale)), model_(model)
{
}

Result<std::unique_ptr<Preview>> Preview::create(const TrainingPlan& plan, PrivateModel& model)
{
    const std::vector<std::string>& names = model.trained_names();
    VELAMEN_ASSIGN(auto own, model.checkpoint().load_second(names));
    VELAMEN_TRY(prepare(*own, plan));
    VELAMEN_ASSIGN(auto scale, generate::LatentScale::of(*own));
    std::unique_ptr<Preview> preview(new Preview(std::move(own), std::move(scale), model));
    const auto& mine = *preview->checkpoint_;
    preview->owns_conditioner_ =
        !mine.is_text_conditional() || std::ranges::any_of(names, [&](const std::string& name) {
            return name.starts_with(mine.conditioner_name() + "/");
        });
    VELAMEN_ASSIGN(const auto selection, checkpoint::Selection::parse(plan.selection));
    if (selection.is_lora())
        preview->merged_.emplace(*preview->checkpoint_, names, selection.scale());
    preview->seed_ = plan.preview_seed;
    preview->guidance_ = plan.preview_guidance;
    return preview;
}

void Preview::set_weights(const dpsgd::NamedTensors& averaged)
{
    const torch::NoGradGuard no_grad;
    if (merged_) merged_->set(averaged);
    auto own = checkpoint::named_tensors(*checkpoint_);
    for (const auto& [name, value] : averaged) {
        if (merged_ && checkpoint::is_lora_name(name)) continue;
        const auto at = std::find_if(own.begin(), own.end(),
                                     [&](const auto& pair) { return pair.first == name; });
        VELAMEN_ASSERT(at != own.end());
        // The UNet's are used where they are; of others a copy tells the conditioner that they
        // changed.
        const bool is_shared = name.starts_with(checkpoint::kUNetPrefix)
            && value.scalar_type() == at->second.scalar_type() && value.is_contiguous();
        if (is_shared)
            at->second.set_data(value.detach());
        else
            at->second.copy_(value);
    }
}

Result<SampleRow> Preview::draw(std::int64_t step, std::stop_token stop)
{
    SampleRow row;
    row.step = step;
    generate::GenerationRequest request;
    const auto& classes = checkpoint_->card().classes;
    for (std::size_t i = 0; i < std::min(classes.size(), kMostClasses); ++i) {
        request.classes.push_back(static_cast<int>(i));
        row.labels.push_back(classes[i]);
    }
    row.images.resize(request.classes.size());
    request.seed = static_cast<std::uint64_t>(seed_);
    request.guidance = guidance_;
    request.steps = kPreviewSteps;
    const std::int64_t side = checkpoint_->image_size();
    request.batch = static_cast<int>(std::max<std::int64_t>(kPixels / (side * side), 1));
    auto& borrowed = model_.checkpoint();
    VELAMEN_TRY(generate::render(
        {.unet = checkpoint_->unet(),
         .autoencoder = borrowed.autoencoder(),
         .conditioner = owns_conditioner_ ? checkpoint_->conditioner() : borrowed.conditioner(),
         .schedule = checkpoint_->schedule(),
         .scale = scale_},
        request, std::move(stop),
        [&](const generate::GeneratedImage& made) {
            row.images[static_cast<std::size_t>(made.index)] = made.image;
        },
        {}));
    return row;
}

} // namespace velamen::train
