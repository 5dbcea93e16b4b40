// SPDX-License-Identifier: GPL-3.0-or-later
//
// Public training of an autoencoder (KL) and a latent UNet on a folder of public images, by class
// or by caption, to make base checkpoints. Nothing here is private and nothing here protects.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/train/session.h"

namespace velamen::train {

struct PretrainPlan {
    std::filesystem::path source; ///< folder or zip; class = subfolder
    /// Instead of classes: the column "caption" of metadata.csv, read by a CLIP text encoder that
    /// is trained with the UNet.
    bool captions = false;
    std::filesystem::path out; ///< checkpoint folder; state for resume in out/.pretrain
    int image_size = 32;
    int image_channels = 1;
    int latent_channels = 3;
    std::vector<std::int64_t> vae_channels{16, 16, 32, 64}; ///< f = 2^(levels-1)
    std::vector<std::int64_t> unet_channels{64, 128};
    std::int64_t unet_head_count = 2;
    std::int64_t unet_groups = 16;
    std::int64_t cross_attention_dim = 64; ///< of a row of the class table, or of a token
    std::int64_t text_layers = 2;
    std::int64_t text_heads = 4;
    std::int64_t text_tokens = 32; ///< to a prompt, start and end among them
    std::int64_t autoencoder_steps = 4000;
    std::int64_t unet_steps = 3000;
    std::int64_t autoencoder_batch = 64;
    std::int64_t unet_batch = 256;
    double autoencoder_rate = 3e-3;
    double unet_rate = 1.5e-3;
    double kl_weight = 1e-6;
    std::uint64_t seed = 1;
    bool bf16 = true;
    std::string licence; ///< of the images, copied into velamen.json
    std::string data_note;
};

/// Starts, or goes on when out/.pretrain holds a state of the same plan.
Result<std::unique_ptr<TrainingSession>> pretrain(const PretrainPlan& plan);

} // namespace velamen::train
