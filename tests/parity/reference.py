#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What diffusers and transformers compute from a checkpoint, component by component, for compare.py.

usage: reference.py FOLDER OUT
       reference.py --twin FAMILY [--tiny] [--faint] [--dtype f16] [--seed 0] OUT

The second form takes the weights that make_twin.py would write: for dp-mnist, which has no folder, and for averaged
weights (the seed after the file's own). Writes OUT/<component>[-case].in.safetensors and .out.safetensors with the
names of `velamen-cli forward`, and OUT/reference.json. Stored weights are raised to fp32, all is computed on the CPU.
Small models are computed in fp64 and with channels last too: how far fp32 is from either is noise, and compare.py
allows twice as much where that is more than the tolerance.
Needs torch, diffusers, transformers and accelerate."""
import argparse
import json
import math
import pathlib

import torch
from safetensors.torch import load_file, save_file

import components
from families import AUTOENCODERS, FAMILIES

SMALL = 150_000_000  # parameters: fp64 is affordable, and with fewer than TINY in the UNet 1e-5 is the tolerance
TINY = 50_000_000


def open_folder(folder, component):
    """The module, its class name and its config; weights in fp32."""
    where = folder / component
    config = json.loads((where / "config.json").read_text())
    kind = config.get("_class_name") or ("LDMBertModel" if component == "bert" else config["architectures"][0])
    if kind == "ClassEmbedder":
        module = components.build(kind, {key: config[key] for key in ("rows", "embedding_dim")})
        module.load_state_dict(load_file(where / "model.safetensors"))
        return module.float().eval(), kind, config
    if kind == "CLIPTextModel":
        from transformers import CLIPTextModel
        return CLIPTextModel.from_pretrained(where, dtype=torch.float32).eval(), kind, config
    if kind == "LDMBertModel":
        from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertModel
        return LDMBertModel.from_pretrained(where, dtype=torch.float32).eval(), kind, config
    import diffusers
    model = getattr(diffusers, kind).from_pretrained(where, torch_dtype=torch.float32)
    return model.eval(), kind, config


def open_twin(a, component):
    kind, config = components.family(a.twin, a.tiny)[component]
    module = components.filled(a.twin, component, kind, config, a.seed, components.DTYPES[a.dtype], a.faint,
                               empty=False)
    return module.float(), kind, config


def unet_cases(kind, config, tiny, g, table):
    """case -> (inputs, context or None)"""
    side, channels = min(32, config["sample_size"]), config["in_channels"]
    is_conditional, cases = kind != "UNet2DModel", {}
    width = config.get("cross_attention_dim")
    tokens = 1 if table is not None else 77
    t = torch.tensor([3.0, 741.5]) if tiny else torch.tensor([741.5])
    # 9 x 7 needs upsampling to odd sizes, which the unconditional UNet cannot do.
    sizes = {"": (side, side)}
    if tiny and side >= 8:
        sizes |= {"odd": (9, 7)} if is_conditional else {"wide": (8, 24)}
    for case, size in sizes.items():
        inputs = {"sample": torch.randn(len(t), channels, *size, generator=g), "timestep": t}
        context = None
        if is_conditional:
            context = torch.randn(len(t), tokens, width, generator=g)
            inputs["encoder_hidden_states"] = context
        cases[case] = (inputs, context)
    if table is not None:
        labels = torch.tensor([0, len(table) - 1])[-len(t):]  # the last class stands for no class in cin256
        sample = torch.randn(len(t), channels, side, side, generator=g)
        cases["labels"] = ({"sample": sample, "timestep": t, "class_labels": labels}, table[labels][:, None])
    return cases


def run_unet(model, inputs, context):
    given = [inputs["sample"], inputs["timestep"]] + ([] if context is None else [context])
    return {"sample": model(*given).sample}


def run_encoder(model, inputs, _):
    made = model.encode(inputs["sample"])
    if hasattr(made, "latents"):
        return {"mean": made.latents}
    return {"mean": made.latent_dist.mean, "logvar": made.latent_dist.logvar}


def run_decoder(model, inputs, _):
    return {"sample": model.decode(inputs["latents"]).sample}


def run_text(model, inputs, _):
    return {"last_hidden_state": model(inputs["input_ids"])[0]}


def autoencoder_cases(config, tiny, g):
    factor = 2 ** (len(config["block_out_channels"]) - 1)
    height, width = (64, 32) if tiny else (128, 128)
    height, width = min(height, config["sample_size"]), min(width, config["sample_size"])
    sample = 2 * torch.rand(2 if tiny else 1, config["in_channels"], height, width, generator=g) - 1
    small = (5, 7) if tiny else (height // factor, width // factor)
    latents = torch.randn(2 if tiny else 1, config["latent_channels"], *small, generator=g)
    return {"": ({"sample": sample}, None)}, {"": ({"latents": latents}, None)}


def text_cases(kind, config, g):
    """Random ids, and a short prompt between its marks."""
    ids = torch.randint(config["vocab_size"], (2, 77), generator=g)
    if kind == "CLIPTextModel":
        ids[1] = torch.tensor([49406, 320, 1125, 539, 550, 18376] + [49407] * 71)
    else:
        ids[1] = torch.tensor([101, 1037, 6302, 1997, 102] + [0] * 72)
    return {"": ({"input_ids": ids}, None)}


def doubled(tensors):
    return {name: value.double() if value.is_floating_point() else value for name, value in tensors.items()}


def channels_last(tensors):
    return {name: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
            for name, value in tensors.items()}


def difference(some, others):
    return max(((others[k] - v).abs() / v.abs().clamp(min=1)).max().item() for k, v in some.items())


def answer(out, name, module, run, cases, record):
    results = {}
    for case, (inputs, context) in cases.items():
        results[case] = run(module, inputs, context)
        stem = f"{out}/{name}-{case}".rstrip("-")
        save_file({k: v.contiguous() for k, v in inputs.items()}, f"{stem}.in.safetensors")
        save_file({k: v.contiguous() for k, v in results[case].items()}, f"{stem}.out.safetensors")
    noise = {case: float("nan") for case in cases}
    if sum(p.numel() for p in module.parameters()) < SMALL:
        module.to(memory_format=torch.channels_last)
        for case, (inputs, context) in cases.items():
            noise[case] = difference(results[case], run(module, channels_last(inputs), context))
        module.double()
        for case, (inputs, context) in cases.items():
            exact = run(module, doubled(inputs), None if context is None else context.double())
            noise[case] = max(noise[case], difference(exact, results[case]))
        module.float().to(memory_format=torch.contiguous_format)
    for case in cases:
        largest = max(v.abs().max().item() for v in results[case].values())
        record[f"{name}-{case}".rstrip("-")] = {"largest": largest} | (
            {"noise": noise[case]} if math.isfinite(noise[case]) else {})
        print(f"{name + ' ' + case:20} |y| <= {largest:8.3f}   fp32 noise {noise[case]:.1e}", flush=True)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--twin", choices=FAMILIES)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--faint", action="store_true")
    parser.add_argument("--dtype", choices=components.DTYPES, default="f16")
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    if (a.folder is None) == (a.twin is None):
        parser.error("name a folder or --twin")
    components.quiet()
    a.out.mkdir(parents=True, exist_ok=True)
    names = components.family(a.twin, a.tiny) if a.twin else [p.name for p in a.folder.iterdir() if p.is_dir()]

    def load(component):
        return open_twin(a, component) if a.twin else open_folder(a.folder, component)

    g, record, table = torch.Generator().manual_seed(77), {}, None
    if "class_embedder" in names:
        table = load("class_embedder")[0].embedding.weight
    module, kind, config = load("unet")
    is_tiny = sum(p.numel() for p in module.parameters()) < TINY
    answer(a.out, "unet", module, run_unet, unet_cases(kind, config, is_tiny, g, table), record)
    del module
    for component in [c for c in AUTOENCODERS if c in names]:
        module, kind, config = load(component)
        encode, decode = autoencoder_cases(config, is_tiny, g)
        answer(a.out, "vae_encoder", module, run_encoder, encode, record)
        answer(a.out, "vae_decoder", module, run_decoder, decode, record)
    for component in [c for c in ("text_encoder", "bert") if c in names]:
        module, kind, config = load(component)
        answer(a.out, "text_encoder", module, run_text, text_cases(kind, config, g), record)
    versions = {"torch": torch.__version__, "diffusers": __import__("diffusers").__version__,
                "transformers": __import__("transformers").__version__}
    (a.out / "reference.json").write_text(json.dumps(
        {"tiny": is_tiny, "tolerance": 1e-5 if is_tiny else 1e-4, "versions": versions, "cases": record},
        indent=2) + "\n")


if __name__ == "__main__":
    main()
