// SPDX-License-Identifier: GPL-3.0-or-later
//
// A whole checkpoint of a few thousand random parameters, written by save_new.

#pragma once

#include <filesystem>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/writer.h"
#include "engine/diffusion/schedule.h"
#include "engine/nn/autoencoder/model.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/unet/config.h"
#include "engine/nn/unet/model.h"

namespace velamen::test {

struct TinyCheckpoint {
    const nn::UNet2DConditionConfig unet_config{
        .sample_size = 4,
        .in_channels = 2,
        .out_channels = 2,
        .down_block_types = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D"},
        .up_block_types = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D"},
        .block_out_channels = {8, 16},
        .layers_per_block = 1,
        .cross_attention_dim = 5,
        .attention_head_dim = {2},
        .norm_num_groups = 4};
    nn::UNet unet{unet_config.plan()};
    nn::AutoencoderKL vae{
        nn::AutoencoderKLConfig{.sample_size = 8,
                                .in_channels = 1,
                                .out_channels = 1,
                                .down_block_types = {"DownEncoderBlock2D", "DownEncoderBlock2D"},
                                .up_block_types = {"UpDecoderBlock2D", "UpDecoderBlock2D"},
                                .block_out_channels = {4, 8},
                                .latent_channels = 2,
                                .norm_num_groups = 2}};
    nn::ClassEmbedder classes{4, 5};
    diffusion::Schedule schedule =
        *diffusion::Schedule::create({.beta_start = 0.0015,
                                      .beta_end = 0.0195,
                                      .beta_schedule = diffusion::BetaSchedule::ScaledLinear});
    checkpoint::Card card{.name = "tiny",
                          .licence = "CC0-1.0",
                          .data = "nothing",
                          .recipe = "random",
                          .classes = {"a", "b", "c"},
                          .latent_mean = {0.1, -0.2},
                          .latent_std = {1.5, 2.0}};

    TinyCheckpoint()
    {
        const at::NoGradGuard no_grad;
        at::manual_seed(7);
        for (torch::nn::Module* module :
             std::initializer_list<torch::nn::Module*>{unet.get(), vae.get(), classes.get()})
            for (const auto& item : module->named_parameters()) {
                at::Tensor parameter = item.value();
                parameter.add_(at::randn_like(parameter) * 0.05);
                parameter.copy_(parameter.to(at::kHalf)); // so that F16 loses nothing
            }
        card.extra["fonts"] = io::Json::Array{"Gentium"};
    }

    Result<> try_save(const std::filesystem::path& folder, DType dtype = DType::F32) const
    {
        return checkpoint::save_new(
            folder,
            {.components = {{"unet", unet_config.to_json(), *unet},
                            {"vae", vae->config().to_json(), *vae},
                            {"class_embedder", classes->to_json(), *classes}},
             .schedule = schedule,
             .card = card},
            dtype);
    }

    void save(const std::filesystem::path& folder, DType dtype = DType::F32) const
    {
        const auto done = try_save(folder, dtype);
        ASSERT_TRUE(done) << done.error().message;
    }
};

} // namespace velamen::test
