// SPDX-License-Identifier: GPL-3.0-or-later
//
// A whole text-conditional checkpoint with a tiny CLIP encoder over CLIP's own vocabulary.

#pragma once

#include "engine/nn/conditioner/clip_text.h"
#include "engine/text/tokenizer_folder.h"
#include "tests/engine/checkpoint/tiny_checkpoint.h"

namespace velamen::test {

inline const std::filesystem::path kClipMerges =
    std::filesystem::path(VELAMEN_SOURCE_DIR) / "resources/vocabularies/clip_bpe_16e6.txt";

/// The UNet, autoencoder and schedule of TinyCheckpoint, with sentences in place of its table.
struct TinyTextCheckpoint {
    TinyCheckpoint base;
    nn::ClipText encoder{nn::ClipTextConfig{.hidden_size = 8,
                                            .intermediate_size = 16,
                                            .num_hidden_layers = 2,
                                            .num_attention_heads = 2}};
    nn::UNet unet{nullptr};
    nn::AutoencoderKL vae = base.vae;
    nn::UNet2DConditionConfig unet_config = base.unet_config;
    checkpoint::Card card{.name = "tiny text", .licence = "CC0-1.0"};

    /// has_32_groups: as in every norm of CompVis's code.
    explicit TinyTextCheckpoint(bool has_32_groups = false)
    {
        const at::NoGradGuard no_grad;
        at::manual_seed(11);
        unet_config.cross_attention_dim = 8;
        if (has_32_groups) {
            unet_config.block_out_channels = {32, 64};
            unet_config.norm_num_groups = 32;
            nn::AutoencoderKLConfig wide = vae->config();
            wide.block_out_channels = {32, 64};
            wide.norm_num_groups = 32;
            vae = nn::AutoencoderKL(wide);
        }
        unet = nn::UNet(unet_config.plan());
        for (torch::nn::Module* module :
             std::initializer_list<torch::nn::Module*>{unet.get(), encoder.get()})
            for (const auto& item : module->named_parameters()) {
                at::Tensor parameter = item.value();
                parameter.add_(at::randn_like(parameter) * 0.2);
            }
    }

    Result<> try_save(const std::filesystem::path& folder, DType dtype = DType::F32) const
    {
        const std::filesystem::path words = folder.parent_path() / "words";
        VELAMEN_TRY(text::write_clip_folder(kClipMerges, words));
        const auto saved = checkpoint::save_new(
            folder,
            {.components = {{"unet", unet_config.to_json(), *unet},
                            {"vae", vae->config().to_json(), *vae},
                            {"text_encoder", encoder->config().to_json(), *encoder}},
             .schedule = base.schedule,
             .card = card,
             .tokenizer = words},
            dtype);
        std::filesystem::remove_all(words);
        return saved;
    }
};

} // namespace velamen::test
