# SPDX-License-Identifier: GPL-3.0-or-later
"""The original classes, to check renamed weights against: every name must fit (strict), and for tiny twins every
component must compute what diffusers' computes from the same weights.

`root` holds clones named latent-diffusion (CompVis, a506df5), stablediffusion (Stability-AI, cf1d67a) and DP-LDM
(ParkLabML, fabfe10). Needs einops; OpenCLIP's text tower is checked when open_clip_torch is importable."""

import contextlib
import importlib
import importlib.util
import io
import pathlib
import sys
import types

import torch
from torch import nn

REPOSITORY = {"sd2": "stablediffusion", "dp-cifar": "DP-LDM", "dp-mnist": "DP-LDM"}


def unet_options(config):
    """openaimodel.UNetModel's arguments from diffusers' config."""
    widths, kinds = config["block_out_channels"], config["down_block_types"]
    heads, context = config["attention_head_dim"], config.get("cross_attention_dim")
    options = dict(image_size=config["sample_size"], in_channels=config["in_channels"],
                   out_channels=config["out_channels"], model_channels=widths[0],
                   attention_resolutions=[2 ** i for i, kind in enumerate(kinds) if "Attn" in kind],
                   num_res_blocks=config["layers_per_block"], channel_mult=[w // widths[0] for w in widths])
    if context is None:
        options |= dict(num_head_channels=heads)
    elif isinstance(heads, list):
        options |= dict(num_head_channels=widths[0] // heads[0])
    else:
        options |= dict(num_heads=heads)
    if context is not None:
        options |= dict(use_spatial_transformer=True, transformer_depth=1, context_dim=context)
    if config.get("use_linear_projection"):
        options |= dict(use_linear_in_transformer=True)
    if config.get("resnet_time_scale_shift") == "scale_shift":
        options |= dict(use_scale_shift_norm=True, resblock_updown=True)
    return options


def autoencoder_options(config, kind):
    widths, size = config["block_out_channels"], config["sample_size"]
    attentive = [size >> i for i, k in enumerate(config["down_block_types"]) if "Attn" in k]
    return dict(double_z=kind == "AutoencoderKL", z_channels=config["latent_channels"], resolution=size,
                in_channels=config["in_channels"], out_ch=config["out_channels"], ch=widths[0],
                ch_mult=[w // widths[0] for w in widths], num_res_blocks=config["layers_per_block"],
                attn_resolutions=attentive, dropout=0.0)


class Absent(nn.Module):
    """Stands in for names that the original modules import and this check never uses."""


def load_repository(root, family):
    sys.path.insert(0, str(pathlib.Path(root) / REPOSITORY.get(family, "latent-diffusion")))
    for name, things in (("omegaconf", ()), ("omegaconf.listconfig", ("ListConfig",)),
                         ("loralib", ("Linear", "Conv2d", "Conv1d", "MergedLinear", "LoRALayer"))):
        if name not in sys.modules:
            stub = types.ModuleType(name)
            for thing in things:
                setattr(stub, thing, Absent)
            sys.modules[name] = stub
    return importlib.import_module


class Autoencoder(nn.Module):
    """autoencoder.AutoencoderKL or VQModel without Lightning and the quantiser's training."""

    def __init__(self, model, config, kind):
        super().__init__()
        options = autoencoder_options(config, kind)
        z = config["latent_channels"]
        self.encoder, self.decoder = model.Encoder(**options), model.Decoder(**options)
        twice = 2 if options["double_z"] else 1
        self.quant_conv = nn.Conv2d(twice * z, twice * z, 1)
        self.post_quant_conv = nn.Conv2d(z, z, 1)
        if kind == "VQModel":
            self.quantize = nn.Module()
            self.quantize.embedding = nn.Embedding(config["num_vq_embeddings"], z)

    def encode(self, x):
        return self.quant_conv(self.encoder(x))

    def decode(self, z):
        if hasattr(self, "quantize"):
            flat = z.permute(0, 2, 3, 1)
            codes = self.quantize.embedding.weight
            nearest = torch.cdist(flat.flatten(0, 2), codes).argmin(1)
            z = z + (codes[nearest].view(flat.shape).permute(0, 3, 1, 2) - z)
        return self.decoder(self.post_quant_conv(z))


class OpenClipText(nn.Module):
    """The text half of open_clip's CLIP and FrozenOpenCLIPEmbedder's way through it (penultimate layer)."""

    def __init__(self, config):
        super().__init__()
        for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc"):
            if name not in sys.modules:
                sys.modules[name] = types.ModuleType(name)
        sys.modules["torchvision.ops.misc"].FrozenBatchNorm2d = Absent
        spec = importlib.util.find_spec("open_clip")
        package = types.ModuleType("open_clip")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["open_clip"] = package
        transformer = importlib.import_module("open_clip.transformer")
        width, layers = config["hidden_size"], config["num_hidden_layers"] + 1
        self.transformer = transformer.Transformer(width, layers, config["num_attention_heads"],
                                                   mlp_ratio=config["intermediate_size"] / width)
        self.token_embedding = nn.Embedding(config["vocab_size"], width)
        self.positional_embedding = nn.Parameter(torch.empty(77, width))
        self.ln_final = transformer.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, width))
        self.logit_scale = nn.Parameter(torch.empty([]))
        self.register_buffer("attn_mask", torch.empty(77, 77))

    def forward(self, ids):
        x = self.token_embedding(ids) + self.positional_embedding
        for block in self.transformer.resblocks[:-1]:
            x = block(x, attn_mask=self.attn_mask)
        return self.ln_final(x)


def conditioner(load, family, kind, config):
    if kind == "ClassEmbedder":
        from components import ClassEmbedder
        return ClassEmbedder(**config)
    if kind == "LDMBertModel":
        x = load("ldm.modules.x_transformer")
        holder = nn.Module()
        holder.transformer = x.TransformerWrapper(
            num_tokens=config["vocab_size"], max_seq_len=77,
            attn_layers=x.Encoder(dim=config["d_model"], depth=config["encoder_layers"]))
        return holder
    if family == "sd2":
        if importlib.util.find_spec("open_clip") is None:
            return None
        holder = nn.Module()
        holder.model = OpenClipText(config)
        return holder
    from transformers import CLIPTextConfig, CLIPTextModel  # the original is transformers' own class
    holder = nn.Module()
    holder.transformer = CLIPTextModel(CLIPTextConfig(**config))
    return holder


def build(root, family, component, kind, config):
    """The original module that has the names of `component` in a single file, or None."""
    load = load_repository(root, family)
    with contextlib.redirect_stdout(io.StringIO()):  # they say what they make
        return build_from(load, family, component, kind, config)


def build_from(load, family, component, kind, config):
    if component == "unet":
        return load("ldm.modules.diffusionmodules.openaimodel").UNetModel(**unet_options(config))
    if component in ("vae", "vqvae"):
        return Autoencoder(load("ldm.modules.diffusionmodules.model"), config, kind)
    return conditioner(load, family, kind, config)


def fit(module, state, kind):
    """Strict, but for what newer transformers no longer call by its old name."""
    if kind == "CLIPTextModel" and hasattr(module, "transformer"):
        flat = not any(n.startswith("text_model.") for n in module.transformer.state_dict())
        state = {n.replace(".text_model.", ".") if flat else n: v for n, v in state.items()
                 if not n.endswith("position_ids")}
    module.load_state_dict(state, strict=True)


@torch.no_grad()
def difference(original, theirs, component, kind, config):
    """Largest difference between the two implementations over max(1, |y|), inputs fixed."""
    g = torch.Generator().manual_seed(1)
    if component == "unet":
        x, t = torch.randn(2, config["in_channels"], 16, 16, generator=g), torch.tensor([3.0, 741.5])
        width = config.get("cross_attention_dim")
        context = [] if width is None else [torch.randn(2, 5, width, generator=g)]
        pairs = [(original(x, t, *context), theirs(x, t, *context).sample)]
    elif component in ("vae", "vqvae"):
        size = config["sample_size"] if config["sample_size"] < 64 else 64  # level attention goes by resolution
        x = torch.randn(1, 3, size, size, generator=g)
        z = torch.randn(1, config["latent_channels"], size // 8, size // 8, generator=g)
        made = theirs.encode(x)
        made = made.latent_dist.parameters if kind == "AutoencoderKL" else made.latents
        pairs = [(original.encode(x), made), (original.decode(z), theirs.decode(z).sample)]
    elif kind == "ClassEmbedder":
        labels = torch.arange(3)
        pairs = [(original(labels), theirs(labels))]
    else:
        ids = torch.randint(config["vocab_size"], (2, 77), generator=g)
        if kind == "LDMBertModel":
            pairs = [(original.transformer(ids, return_embeddings=True), theirs(ids)[0])]
        else:
            y = original.model(ids) if hasattr(original, "model") else original.transformer(ids).last_hidden_state
            pairs = [(y, theirs(ids).last_hidden_state)]
    return max(((a - b).abs() / b.abs().clamp(min=1)).max().item() for a, b in pairs)
