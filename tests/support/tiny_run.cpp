// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/support/tiny_run.h"

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/writer.h"
#include "engine/core/assert.h"
#include "engine/core/file.h"
#include "engine/diffusion/schedule.h"
#include "engine/image/codec.h"
#include "engine/nn/autoencoder/model.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/unet/config.h"
#include "engine/nn/unet/model.h"

namespace velamen::test {

namespace fs = std::filesystem;

namespace {

void write_picture(const fs::path& path, int number)
{
    image::Image picture{8, 8, 1, std::vector<std::uint8_t>(64)};
    for (std::size_t p = 0; p < 64; ++p)
        picture.pixels[p] = static_cast<std::uint8_t>(
            (static_cast<std::size_t>(number) * 37 + p * (number % 2 ? 3 : 29)) % 256);
    picture.pixels[0] = static_cast<std::uint8_t>(picture.pixels[0] + number / 256); // no two alike
    fs::create_directories(path.parent_path());
    const auto png = image::encode_png(picture);
    VELAMEN_ASSERT(png.has_value());
    VELAMEN_ASSERT(core::write_file(path, std::span<const std::byte>(*png)).has_value());
}

} // namespace

void write_private_folder(const fs::path& folder, int count)
{
    for (int i = 0; i < count; ++i)
        write_picture(folder / (i % 2 != 0 ? "b" : "a")
                          / (std::string(kCanary) + "-" + std::to_string(i) + ".png"),
                      i);
}

std::string patient_name(int patient)
{
    return std::string(kCanary) + " no. " + std::to_string(patient);
}

int write_patient_folder(const fs::path& folder, int patients)
{
    std::string table = "file_name,kind,patient\n";
    int image = 0;
    for (int patient = 0; patient < patients; ++patient)
        for (int of_patient = 0; of_patient < 1 + (patient + 3) % 4; ++of_patient, ++image) {
            const std::string name = std::string(kCanary) + "-" + std::to_string(image) + ".png";
            write_picture(folder / name, image);
            table +=
                name + (image % 2 != 0 ? ",square," : ",round,") + patient_name(patient) + "\n";
        }
    VELAMEN_ASSERT(core::write_file(folder / "metadata.csv", table).has_value());
    return image;
}

std::set<std::string> patient_images(const fs::path& folder)
{
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".png") names.insert(entry.path().filename().string());
    return names;
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
    const nn::UNet u(unet.plan());
    const nn::AutoencoderKL v(vae);
    const nn::ClassEmbedder e(4, 6);
    return checkpoint::save_new(folder,
                                {.components = {{"unet", unet.to_json(), *u},
                                                {"vae", vae.to_json(), *v},
                                                {"class_embedder", e->to_json(), *e}},
                                 .schedule = made,
                                 .card = card},
                                DType::F32);
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
