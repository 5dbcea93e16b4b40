# SPDX-License-Identifier: GPL-3.0-or-later
#
# CompVis's models out of three checkouts, without what they need for training only. open_clip's and
# taesd's are small enough to be written down.

import pathlib
import sys
import types

import torch
from torch import nn

LDM, SD2, DP = (pathlib.Path(path) for path in sys.argv[1:4])


def use(checkout):
    """Makes `ldm` the package of that checkout."""
    for name in [name for name in sys.modules if name.split(".")[0] == "ldm"]:
        del sys.modules[name]
    sys.path[:] = [path for path in sys.path if path not in map(str, (LDM, SD2, DP))]
    sys.path.insert(0, str(checkout))


class Codebook(nn.Module):
    """The names of taming's VectorQuantizer2."""

    def __init__(self, count, width, **_):
        super().__init__()
        self.embedding = nn.Embedding(count, width)


def stub(name, **members):
    sys.modules[name] = types.SimpleNamespace(__spec__=None, __path__=[], **members)


stub("pytorch_lightning", LightningModule=nn.Module)
stub("loralib")
stub("omegaconf")
stub("omegaconf.listconfig", ListConfig=list)
for name in ("taming", "taming.modules", "taming.modules.vqvae"):
    stub(name)
stub("taming.modules.vqvae.quantize", VectorQuantizer2=Codebook)


def unet_of(checkout, **params):
    use(checkout)
    from ldm.modules.diffusionmodules.openaimodel import UNetModel
    return UNetModel(**params)


def autoencoder_of(checkout, params):
    use(checkout)
    from ldm.modules.diffusionmodules.model import Decoder, Encoder
    config = params["ddconfig"]
    model = nn.Module()
    model.encoder, model.decoder = Encoder(**config), Decoder(**config)
    z, width = config["z_channels"], params["embed_dim"]
    twice = 2 if config["double_z"] else 1  # autoencoder.py
    model.quant_conv = nn.Conv2d(twice * z, twice * width, 1)
    model.post_quant_conv = nn.Conv2d(width, z, 1)
    if "n_embed" in params:
        model.quantize = Codebook(params["n_embed"], width)
    return model


def ldm_bert_of(width, layers, vocabulary=30522):
    use(LDM)
    from ldm.modules.x_transformer import Encoder, TransformerWrapper
    return TransformerWrapper(num_tokens=vocabulary, max_seq_len=77,
                              attn_layers=Encoder(dim=width, depth=layers))


class OpenClip(nn.Module):
    """The text half of open_clip's CLIP as Stable Diffusion 2 keeps it."""

    def __init__(self, width, layers, heads, vocabulary=49408):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros(77, width))
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList()
        for _ in range(layers):
            block = nn.Module()
            block.ln_1, block.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            block.attn = nn.MultiheadAttention(width, heads)
            block.mlp = nn.Sequential()
            block.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
            block.mlp.add_module("gelu", nn.GELU())
            block.mlp.add_module("c_proj", nn.Linear(4 * width, width))
            self.transformer.resblocks.append(block)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, width))
        self.logit_scale = nn.Parameter(torch.zeros([]))
        self.register_buffer("attn_mask", torch.full((77, 77), float("-inf")).triu_(1))

    def forward(self, ids):
        x = (self.token_embedding(ids) + self.positional_embedding[:ids.shape[1]]).permute(1, 0, 2)
        mask = self.attn_mask[:ids.shape[1], :ids.shape[1]]
        for block in self.transformer.resblocks:
            y = block.ln_1(x)
            x = x + block.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
            x = x + block.mlp(block.ln_2(x))
        return self.ln_final(x.permute(1, 0, 2))


class TinyBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
                                  nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
                                  nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x):
        return torch.relu(self.conv(x) + x)


class Clamp(nn.Module):
    def forward(self, x):
        return torch.tanh(x / 3) * 3


def taesd_encoder(width, blocks, latents=4):  # taesd.py
    layers = []
    for level, count in enumerate(blocks):
        layers.append(nn.Conv2d(3, width, 3, padding=1) if level == 0 else
                      nn.Conv2d(width, width, 3, padding=1, stride=2, bias=False))
        layers += [TinyBlock(width) for _ in range(count)]
    return nn.Sequential(*layers, nn.Conv2d(width, latents, 3, padding=1))


def taesd_decoder(width, blocks, latents=4):
    layers = [Clamp(), nn.Conv2d(latents, width, 3, padding=1), nn.ReLU()]
    for level, count in enumerate(blocks):
        layers += [TinyBlock(width) for _ in range(count)]
        if level + 1 < len(blocks):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))
