# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a family's components one at a time: modules without memory, and random weights for every name.

A weight depends only on the seed, the family, the component and its name in diffusers, so every layout and every
precision of one twin holds the same values. Default initial values (zero biases, unit norms, zero output
convolutions) would hide errors: everything is random, and scaled so that outputs are of order one."""

import hashlib
import re

import torch
from torch import nn

from families import FAMILIES

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def quiet():
    """The libraries report their progress otherwise."""
    import diffusers
    import transformers
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def family(name, tiny):
    return FAMILIES[name](tiny)


class ClassEmbedder(nn.Module):
    def __init__(self, rows, embedding_dim):
        super().__init__()
        self.embedding = nn.Embedding(rows, embedding_dim)

    def forward(self, labels):
        return self.embedding(labels)[:, None]


def resampling_unet(config):
    """Residual blocks where UNet2DConditionModel has convolutions between the levels. It hands its samplers no time
    embedding; they take the one that the UNet made last."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.resnet import ResnetBlock2D

    class Resampler(ResnetBlock2D):
        time = None

        def forward(self, hidden, *_, **__):
            return super().forward(hidden, self.time["now"])

    model = UNet2DConditionModel(**config)
    time = {}
    model.time_embedding.register_forward_hook(lambda module, given, made: time.update(now=made))
    for key, stages in (("down", model.down_blocks), ("up", model.up_blocks)):
        for stage in stages:
            old = getattr(stage, f"{key}samplers")
            if old is not None:
                block = Resampler(in_channels=old[0].channels, temb_channels=4 * config["block_out_channels"][0],
                                  time_embedding_norm="scale_shift", eps=1e-5, groups=32, **{key: True})
                block.time = time
                old[0] = block
    return model


def build(kind, config):
    """A module of diffusers or transformers from its class name and keyword arguments."""
    if kind == "ClassEmbedder":
        return ClassEmbedder(**config).eval()
    if kind == "ResamplingUNet":
        return resampling_unet(config).eval()
    if kind == "CLIPTextModel":
        from transformers import CLIPTextConfig, CLIPTextModel
        return CLIPTextModel(CLIPTextConfig(**config)).eval()
    if kind == "LDMBertModel":
        from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
        return LDMBertModel(LDMBertConfig(**config)).eval()
    import diffusers
    return getattr(diffusers, kind)(**config).eval()


def build_empty(kind, config):
    with torch.device("meta"):
        return build(kind, config)


def generator_of(*words):
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


# What adds to the residual streams, and the biases of what passes them on.
ADDS = re.compile(r"(conv_in|conv2|proj_in|proj_out|to_out\.0|net\.2|out_proj|fc2|token_embedding|position_embedding"
                  r"|embed_tokens|embed_positions)\.(weight|bias)$|(conv_shortcut|samplers\.0\.conv)\.bias$")


def random_value(name, shape, generator):
    noise = torch.randn(shape, generator=generator)
    if "norm" in name and name.endswith("weight"):
        return noise.mul_(0.1).add_(1)
    if len(shape) == 1:
        return noise.mul_(0.05)
    if name in ("embedding.weight", "quantize.embedding.weight"):
        return noise  # one token of context, and codes that rounding cannot confuse
    return noise.div_(noise[0].numel() ** 0.5)


def random_state(module, name_of_family, component, seed, dtype, faint=False):
    """The state dict that `module` (on meta) should have. Faint: the streams that the norms see have a variance of
    1e-3, so that a wrong eps shows; the outputs stay of order one."""
    state = {}
    for name, wanted in module.state_dict().items():
        generator = generator_of(seed, name_of_family, component, name)
        value = random_value(name, tuple(wanted.shape), generator)
        state[name] = (value / 32 if faint and ADDS.search(name) else value).to(dtype)
    return state


def filled(name_of_family, component, kind, config, seed, dtype, faint=False, empty=True):
    """The module with its random weights. With empty=False its buffers work too (for running it)."""
    module = build_empty(kind, config) if empty else build(kind, config)
    module.load_state_dict(random_state(module, name_of_family, component, seed, dtype, faint), assign=True)
    return module.to(dtype) if not empty else module
