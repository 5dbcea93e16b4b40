# SPDX-License-Identifier: GPL-3.0-or-later
#
# The published families: counts and a SHA-256 of their tensors under both names.

import torch
import yaml
from compvis_models import (DP, LDM, SD2, OpenClip, autoencoder_of, ldm_bert_of, taesd_decoder, taesd_encoder,
                            unet_of)
from diffusers import AutoencoderTiny
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from diffusers_models import (clip_config, count_of, diffusers_autoencoder, diffusers_unet, lines_of,
                              parameters_of, typed)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel


def params_of(path):
    return yaml.safe_load(path.read_text())["model"]["params"]


SD1_UNET = dict(image_size=32, in_channels=4, out_channels=4, model_channels=320, attention_resolutions=[4, 2, 1],
                num_res_blocks=2, channel_mult=[1, 2, 4, 4], num_heads=8, use_spatial_transformer=True,
                transformer_depth=1, context_dim=768, use_checkpoint=True, legacy=False)  # v1-inference.yaml
SD_BLOCKS = dict(block_out_channels=[320, 640, 1280, 1280], layers_per_block=2,
                 down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
                 up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3, _class_name="UNet2DConditionModel")
SMALL = dict(in_channels=3, out_channels=3)
KL_SD = dict(_class_name="AutoencoderKL", block_out_channels=[128, 256, 512, 512], layers_per_block=2,
             latent_channels=4, down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
             scaling_factor=0.18215)
VQ_F4 = dict(_class_name="VQModel", block_out_channels=[128, 256, 512], layers_per_block=2, latent_channels=3,
             num_vq_embeddings=8192, vq_embed_dim=3, down_block_types=["DownEncoderBlock2D"] * 3,
             up_block_types=["UpDecoderBlock2D"] * 3, scaling_factor=1.0, sample_size=256)
KL_F2 = dict(_class_name="AutoencoderKL", block_out_channels=[128, 256], layers_per_block=2, latent_channels=3,
             down_block_types=["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
             up_block_types=["AttnUpDecoderBlock2D", "UpDecoderBlock2D"], scaling_factor=1.0, sample_size=32)
RESNETS = dict(resnet_time_scale_shift="scale_shift", downsample_type="resnet", upsample_type="resnet",
               attn_norm_num_groups=32)


def families():
    text2im = params_of(LDM / "configs/latent-diffusion/txt2img-1p4B-eval.yaml")
    sd2 = params_of(SD2 / "configs/stable-diffusion/v2-inference-v.yaml")
    cin = params_of(LDM / "configs/latent-diffusion/cin256-v2.yaml")
    celebahq = params_of(LDM / "models/ldm/celeba256/config.yaml")
    cifar = params_of(DP / "configs/finetuning/cifar32-dp-eps10.yaml")
    emnist = params_of(DP / "configs/finetuning/emnist32-dp-eps10.yaml")
    celeba32 = params_of(DP / "configs/finetuning/celeba32-dp-eps1.yaml")
    celeba64 = params_of(DP / "configs/finetuning/celeba64-dp-eps1.yaml")

    def unet(checkout, params):
        return lambda: unet_of(checkout, **params["unet_config"]["params"])

    def first_stage(params):
        return lambda: autoencoder_of(LDM, params["first_stage_config"]["params"])

    def classes(params):
        table = params["cond_stage_config"]["params"]
        module = nn.Module()
        module.embedding = nn.Embedding(table["n_classes"], table["embed_dim"])
        return dict(_class_name="ClassEmbedder", rows=table["n_classes"], embedding_dim=table["embed_dim"]), module

    sd_vae = first_stage(text2im)
    kl_celeba64 = KL_F2 | dict(block_out_channels=[192, 384], sample_size=64,
                               down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2)
    return {
        "sd1": dict(unet=(lambda: unet_of(LDM, **SD1_UNET),
                          SD_BLOCKS | dict(cross_attention_dim=768, attention_head_dim=8, sample_size=64)),
                    vae=(sd_vae, KL_SD | dict(sample_size=512)),
                    text_encoder=("clip", clip_config(768, 12, 12, "quick_gelu"))),
        "sd2": dict(unet=(unet(SD2, sd2), SD_BLOCKS | dict(cross_attention_dim=1024, use_linear_projection=True,
                                                            attention_head_dim=[5, 10, 20, 20], sample_size=96)),
                    vae=(sd_vae, KL_SD | dict(sample_size=768)),
                    text_encoder=("open_clip", clip_config(1024, 23, 16, "gelu")),
                    options=dict(prediction="v_prediction")),
        "text2im": dict(unet=(unet(LDM, text2im), SD_BLOCKS | dict(cross_attention_dim=1280, attention_head_dim=8,
                                                                   sample_size=32)),
                        vqvae=(sd_vae, KL_SD | dict(sample_size=256)),
                        bert=("ldm_bert", dict(d_model=1280, encoder_layers=32, encoder_ffn_dim=5120,
                                               encoder_attention_heads=8, head_dim=64, vocab_size=30522,
                                               max_position_embeddings=77))),
        "cin256": dict(unet=(unet(LDM, cin), SMALL | dict(
                           _class_name="UNet2DConditionModel", block_out_channels=[192, 384, 576, 960],
                           layers_per_block=2, down_block_types=["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 3,
                           up_block_types=["CrossAttnUpBlock2D"] * 3 + ["UpBlock2D"], cross_attention_dim=512,
                           attention_head_dim=1, sample_size=64)),
                       vqvae=(first_stage(cin), VQ_F4), class_embedder=classes(cin)),
        "celebahq": dict(unet=(unet(LDM, celebahq), SMALL | dict(
                             _class_name="UNet2DModel", block_out_channels=[224, 448, 672, 896], layers_per_block=2,
                             down_block_types=["DownBlock2D"] + ["AttnDownBlock2D"] * 3,
                             up_block_types=["AttnUpBlock2D"] * 3 + ["UpBlock2D"], attention_head_dim=32,
                             sample_size=64)),
                         vqvae=(first_stage(celebahq), VQ_F4)),
        "dp-ldm-cifar": dict(unet=(unet(DP, cifar), SMALL | dict(
                                 _class_name="UNet2DConditionModel", block_out_channels=[128, 256, 256, 512],
                                 layers_per_block=2, down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
                                 up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3, cross_attention_dim=512,
                                 attention_head_dim=8, sample_size=16)),
                             vae=(first_stage(cifar), KL_F2), class_embedder=classes(cifar),
                             options=dict(heads=[8])),
        "dp-ldm-emnist": dict(unet=(unet(DP, emnist), SMALL | dict(
                                  _class_name="LatentUNet2DCondition", block_out_channels=[64, 128],
                                  layers_per_block=1, down_block_types=["CrossAttnDownBlock2D"] * 2,
                                  up_block_types=["CrossAttnUpBlock2D"] * 2, cross_attention_dim=5,
                                  attention_head_dim=4, sample_size=4, resnet_time_scale_shift="scale_shift",
                                  resnet_resampling=True)),
                              vae=(first_stage(emnist), KL_F2 | dict(
                                  block_out_channels=[128, 256, 384, 640],
                                  down_block_types=["AttnDownEncoderBlock2D"] * 3 + ["DownEncoderBlock2D"],
                                  up_block_types=["UpDecoderBlock2D"] + ["AttnUpDecoderBlock2D"] * 3)),
                              class_embedder=classes(emnist), options=dict(heads=[4])),
        "dp-ldm-celeba32": dict(unet=(unet(DP, celeba32), SMALL | RESNETS | dict(
                                    _class_name="UNet2DModel", block_out_channels=[192, 384, 768],
                                    layers_per_block=2, down_block_types=["AttnDownBlock2D"] * 3,
                                    up_block_types=["AttnUpBlock2D"] * 3, attention_head_dim=32, sample_size=16)),
                                vae=(first_stage(celeba32), KL_F2)),
        "dp-ldm-celeba64": dict(unet=(unet(DP, celeba64), SMALL | RESNETS | dict(
                                    _class_name="LatentUNet2D", block_out_channels=[128, 256, 512],
                                    layers_per_block=2, down_block_types=["AttnDownBlock2D"] * 3,
                                    up_block_types=["AttnUpBlock2D"] * 3, num_attention_heads=8, sample_size=32)),
                                vae=(first_stage(celeba64), kl_celeba64)),
    }


def component_lines(subfolder, source, config):
    """Lines under CompVis's names with their prefix, and under diffusers'."""
    if subfolder == "unet":
        return lines_of(source().state_dict(), "model.diffusion_model."), lines_of(diffusers_unet(config).state_dict())
    if subfolder in ("vae", "vqvae"):
        return (lines_of(source().state_dict(), "first_stage_model."),
                lines_of(diffusers_autoencoder(config).state_dict()))
    if subfolder == "class_embedder":
        return lines_of(config.state_dict(), "cond_stage_model."), lines_of(config.state_dict())
    if source == "ldm_bert":
        return (lines_of(ldm_bert_of(1280, 32).state_dict(), "cond_stage_model.transformer."),
                lines_of(parameters_of(LDMBertModel(LDMBertConfig(**config)))))
    flat = lines_of(parameters_of(CLIPTextModel(CLIPTextConfig(**config))))
    if source == "clip":
        return ["cond_stage_model.transformer.text_model." + line for line in flat], flat
    # What the file holds: all 24 layers and the projection; the layer that is left out is not compared.
    state = OpenClip(1024, 24, 16).state_dict()
    unused = ("transformer.resblocks.23.", "text_projection", "logit_scale", "attn_mask")
    return lines_of({name: value for name, value in state.items() if not name.startswith(unused)},
                    "cond_stage_model.model."), flat


def family_golden(name, parts):
    options = parts.pop("options", {})
    compvis, diffusers = [], {}
    with torch.device("meta"):
        for subfolder, (source, config) in parts.items():
            theirs, ours = component_lines(subfolder, source, config)
            compvis += theirs
            diffusers[subfolder] = dict(
                config=typed(subfolder, source if subfolder == "class_embedder" else config)) | count_of(ours)
    print(name, {subfolder: (part["tensors"], part["parameters"]) for subfolder, part in diffusers.items()})
    return dict(options=options, compvis=count_of(sorted(compvis)), diffusers=diffusers)


def taesd_family():
    golden = {}
    with torch.device("meta"):
        whole = AutoencoderTiny().state_dict()
        for half, module in (("encoder", taesd_encoder(64, [1, 3, 3, 3])), ("decoder", taesd_decoder(64, [3, 3, 3, 1]))):
            ours = {name: value for name, value in whole.items() if name.startswith(half)}
            config = dict(_class_name="AutoencoderTiny", encoder_block_out_channels=[64] * 4,
                          decoder_block_out_channels=[64] * 4, num_encoder_blocks=[1, 3, 3, 3],
                          num_decoder_blocks=[3, 3, 3, 1])
            golden["taesd-" + half] = dict(options={}, compvis=count_of(lines_of(module.state_dict())),
                                           diffusers={"vae": dict(config=config) | count_of(lines_of(ours))})
    return golden
