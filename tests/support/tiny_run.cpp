// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/support/tiny_run.h"

#include <torch/torch.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/writer.h"
#include "engine/core/assert.h"
#include "engine/core/file.h"
#include "engine/diffusion/schedule.h"
#include "engine/image/codec.h"
#include "engine/nn/autoencoder/model.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/unet/model.h"

namespace velamen::test {

namespace fs = std::filesystem;

void write_private_folder(const fs::path& folder, int count)
{
    for (int i = 0; i < count; ++i) {
        image::Image picture{8, 8, 1, std::vector<std::uint8_t>(64)};
        for (std::size_t p = 0; p < 64; ++p)
            picture.pixels[p] = static_cast<std::uint8_t>(
                (static_cast<std::size_t>(i) * 37 + p * (i % 2 ? 3 : 29)) % 256);
        const fs::path path = folder / (i % 2 != 0 ? "b" : "a")
            / (std::string(kCanary) + "-" + std::to_string(i) + ".png");
        fs::create_directories(path.parent_path());
        const auto png = image::encode_png(picture);
        VELAMEN_ASSERT(png.has_value());
        VELAMEN_ASSERT(core::write_file(path, std::span<const std::byte>(*png)).has_value());
    }
}

Result<> write_tiny_checkpoint(const fs::path& folder)
{
    torch::manual_seed(3);
    nn::UNet2DConditionConfig unet;
    unet.sample_size = 4;
    unet.in_channels = unet.out_channels = 2;
    unet.block_out_channels = {8, 16};
    unet.down_block_types = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D"};
    unet.up_block_types = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D"};
    unet.layers_per_block = 1;
    unet.cross_attention_dim = 6;
    unet.attention_head_dim = {2, 2};
    unet.norm_num_groups = 4;
    unet.use_linear_projection = true;
    nn::AutoencoderKLConfig vae;
    vae.sample_size = 8;
    vae.in_channels = vae.out_channels = 1;
    vae.down_block_types = {"DownEncoderBlock2D", "DownEncoderBlock2D"};
    vae.up_block_types = {"UpDecoderBlock2D", "UpDecoderBlock2D"};
    vae.block_out_channels = {4, 8};
    vae.layers_per_block = 1;
    vae.latent_channels = 2;
    vae.norm_num_groups = 4;
    vae.scaling_factor = 1.0;
    vae.mid_block_add_attention = false;
    diffusion::ScheduleOptions schedule;
    schedule.beta_schedule = diffusion::BetaSchedule::SquaredCosCapV2;
    schedule.prediction_type = diffusion::PredictionType::VPrediction;
    schedule.timestep_spacing = diffusion::TimestepSpacing::Trailing;
    VELAMEN_ASSIGN(const auto made, diffusion::Schedule::create(schedule));
    checkpoint::Card card;
    card.name = "tiny";
    card.licence = "CC0-1.0";
    card.data = "random numbers";
    card.recipe = "none";
    card.classes = {"x", "y", "z"};
    const nn::UNet2DCondition u(unet);
    const nn::AutoencoderKL v(vae);
    const nn::ClassEmbedder e(4, 6);
    return checkpoint::save_new(folder, *u, *v, *e, made, card, DType::F32);
}

train::TrainingPlan tiny_plan(const fs::path& checkpoint, const fs::path& source, int units)
{
    train::PlanRequest request;
    request.checkpoint = checkpoint;
    request.source = source;
    request.classes = {"a", "b"};
    request.epsilon = 8.0;
    request.delta = 1e-4;
    request.public_units = units;
    request.expected_batch = units / 3;
    request.steps = 6;
    auto plan = train::make_plan(request);
    VELAMEN_ASSERT(plan.has_value());
    plan->micro_batch = 16;
    plan->sample_every = 3;
    return *plan;
}

} // namespace velamen::test
