# SPDX-License-Identifier: GPL-3.0-or-later
#
# diffusers' and transformers' models from config.json, with what their classes do not have; names and
# shapes as text.

import hashlib

from diffusers import AutoencoderKL, UNet2DConditionModel, UNet2DModel, VQModel
from diffusers.models.resnet import ResnetBlock2D
from torch import nn


class ResnetResampler(ResnetBlock2D):
    """A residual block between two levels where diffusers passes no time embedding."""

    def forward(self, x, *_, **__):
        return super().forward(x, self.time[0])


def with_resnets_between_levels(unet, config):
    """LatentUNet2DCondition: UNet2DConditionModel with residual blocks instead of convolutions."""
    time = [None]
    unet.time_embedding.register_forward_hook(lambda module, inputs, output: time.__setitem__(0, output))
    for blocks, list_name, way in ((unet.down_blocks, "downsamplers", "down"), (unet.up_blocks, "upsamplers", "up")):
        for block in blocks:
            if getattr(block, list_name) is None:
                continue
            width = block.resnets[-1].out_channels
            resnet = ResnetResampler(in_channels=width, out_channels=width, eps=1e-5, groups=32,
                                     temb_channels=4 * config["block_out_channels"][0],
                                     time_embedding_norm=config["resnet_time_scale_shift"], **{way: True})
            resnet.time = time
            setattr(block, list_name, nn.ModuleList([resnet]))
    return unet


def diffusers_unet(config):
    kind = config["_class_name"]
    fields = {key: value for key, value in config.items() if key not in ("_class_name", "resnet_resampling")}
    if kind == "UNet2DConditionModel":
        return UNet2DConditionModel(**fields)
    if kind == "LatentUNet2DCondition":
        unet = UNet2DConditionModel(**fields)
        return with_resnets_between_levels(unet, config) if config["resnet_resampling"] else unet
    heads = fields.pop("num_attention_heads", None)  # LatentUNet2D: as many at every width
    unet = UNet2DModel(**fields)
    if heads is not None:
        for module in unet.modules():
            if type(module).__name__ == "Attention":
                module.heads = heads
                module.scale = (module.inner_dim // heads) ** -0.5
    return unet


def diffusers_autoencoder(config):
    fields = {key: value for key, value in config.items() if key != "_class_name"}
    return (VQModel if config["_class_name"] == "VQModel" else AutoencoderKL)(**fields)


def clip_config(width, layers, heads, act, inner=None, vocabulary=49408):
    return dict(hidden_size=width, intermediate_size=inner or 4 * width, num_hidden_layers=layers,
                num_attention_heads=heads, hidden_act=act, vocab_size=vocabulary, max_position_embeddings=77)


def typed(subfolder, config):
    """With what a config.json of transformers says of its class."""
    types = {"text_encoder": "clip_text_model", "bert": "ldmbert"}
    return config | {"model_type": types[subfolder]} if subfolder in types else config


def parameters_of(module):
    return {name: value for name, value in module.state_dict().items() if not name.endswith("position_ids")}


def lines_of(state, prefix=""):
    return sorted(f"{prefix}{name} {','.join(map(str, value.shape))}" for name, value in state.items())


def count_of(lines):
    def numel(line):
        total = 1
        for size in filter(None, line.split(" ")[1].split(",")):
            total *= int(size)
        return total
    return {"tensors": len(lines), "parameters": sum(map(numel, lines)),
            "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}
