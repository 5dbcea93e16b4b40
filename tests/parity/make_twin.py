#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a checkpoint with random weights in the real configuration of a public family.

usage: make_twin.py FAMILY OUT [--tiny] [--faint] [--dtype f32|f16|bf16] [--seed 0]
                    [--layout diffusers|compvis-safetensors|compvis-ckpt]
                    [--sharded] [--old-names]             (diffusers: a folder)
                    [--ema] [--originals FOLDER]          (compvis: one file, OUT.yaml beside it)

FAMILY: sd1 sd2 text2im cin256 celebahq dp-cifar dp-mnist. The same family and seed hold the same weights in every
layout. --faint keeps the variance that the norms see at 1e-3, so that a wrong eps shows. --old-names writes the names
that most published folders have (text_model. in front, VAE attention as query, key, value, proj_attn). --originals
checks the renaming against the original classes (originals.py), and what they compute where the twin is tiny.
dp-mnist has no diffusers layout. Needs torch, diffusers and transformers."""
import argparse
import gc
import pathlib
import sys

import torch

import components
import original_names
import originals
import single_file
import vocabularies
from families import AUTOENCODERS, FAMILIES

OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def module_parts(parts):
    return {name: value for name, value in parts.items() if name not in ("tokenizer", "scheduler")}


def old_name(component, kind, name):
    if kind == "CLIPTextModel":
        return "text_model." + original_names.bare(name)
    if component in AUTOENCODERS or kind == "UNet2DModel":
        for new, old in OLD_ATTENTION.items():
            if ".attentions." in name and f".{new}." in name:
                return name.replace(f".{new}.", f".{old}.")
    return name


def rename_file(path, component, kind):
    """In place, the whole file in memory: one component at a time."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = {old_name(component, kind, name): value for name, value in load_file(path).items()}
    if kind == "CLIPTextModel":
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    path.unlink()
    save_file(tensors, path, metadata)


def save_component(folder, component, kind, config, a):
    module = components.filled(a.family, component, kind, config, a.seed, components.DTYPES[a.dtype], a.faint)
    size = sum(t.numel() * t.element_size() for t in module.state_dict().values())
    where = folder / component
    if kind == "ClassEmbedder":
        from safetensors.torch import save_file
        where.mkdir()
        vocabularies.write_json(where / "config.json", {"_class_name": "ClassEmbedder"} | config)
        save_file(module.state_dict(), where / "model.safetensors")
    else:
        module.save_pretrained(where, max_shard_size=size // 3 if a.sharded else 2 * size)
    if a.old_names:
        for path in where.glob("*.safetensors"):
            rename_file(path, component, kind)


def write_index(folder, parts):
    """As the family's pipeline writes it. No pipeline of diffusers has a class table: there by hand."""
    import diffusers
    from transformers import BertTokenizer, CLIPTokenizer
    kinds = {name: components.build_empty(*value) for name, value in module_parts(parts).items()}
    kind, config = parts["scheduler"]
    scheduler = getattr(diffusers, kind)(**config)
    scheduler.save_pretrained(folder / "scheduler")
    if "text_encoder" in parts:
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        pipe = diffusers.StableDiffusionPipeline(**kinds, tokenizer=tokenizer, scheduler=scheduler, safety_checker=None,
                                                 feature_extractor=None, requires_safety_checker=False)
    elif "bert" in parts:
        tokenizer = BertTokenizer.from_pretrained(folder / "tokenizer")
        pipe = diffusers.LDMTextToImagePipeline(**kinds, tokenizer=tokenizer, scheduler=scheduler)
    elif "class_embedder" not in parts:
        pipe = diffusers.LDMPipeline(**kinds, scheduler=scheduler)
    else:
        index = {"_class_name": "ClassConditionalLatentDiffusion", "_diffusers_version": diffusers.__version__}
        for name, value in module_parts(parts).items():
            index[name] = ["velamen" if name == "class_embedder" else "diffusers", value[0]]
        vocabularies.write_json(folder / "model_index.json", index | {"scheduler": ["diffusers", kind]})
        return
    pipe.save_config(folder)


def write_folder(folder, parts, a):
    folder.mkdir(parents=True)
    for component, (kind, config) in module_parts(parts).items():
        save_component(folder, component, kind, config, a)
        gc.collect()
    if "tokenizer" in parts:
        vocabularies.write(parts["tokenizer"], folder / "tokenizer")
    write_index(folder, parts)


def check_names(component, kind, config, tensors, a):
    original = originals.build(a.originals, a.family, component, kind, config)
    if original is None:
        print(f"{component}: names not checked, the original class is not installed")
        return
    originals.fit(original.eval(), tensors, kind)
    if not a.tiny:
        print(f"{component}: {len(tensors)} names fit the original class")
        return
    theirs = components.filled(a.family, component, kind, config, a.seed, components.DTYPES[a.dtype], a.faint,
                               empty=False)
    worst = originals.difference(original.float(), theirs.float(), component, kind, config)
    print(f"{component}: {len(tensors)} names fit the original class, largest difference {worst:.1e}")
    if not worst < 1e-5:
        sys.exit(f"{component}: the original class computes something else")


def write_file(path, parts, a):
    dtype, tensors = components.DTYPES[a.dtype], {}
    for component, (kind, config) in module_parts(parts).items():
        state = components.random_state(components.build_empty(kind, config), a.family, component, a.seed, dtype,
                                        a.faint)
        made = single_file.renamed(a.family, component, kind, config, state, a.seed)
        if a.originals:
            check_names(component, kind, config, made, a)
        tensors |= {single_file.PREFIX[component] + name: value for name, value in made.items()}
        del state, made
        gc.collect()
    if a.ema:
        tensors |= single_file.ema(a.family, *parts["unet"], a.seed, dtype, a.faint)
    tensors |= single_file.schedule_buffers(parts["scheduler"][1])
    single_file.write(path, a.layout, tensors, 140000 if a.family == "sd2" else 470000)
    single_file.write_yaml(path.with_name(path.name + ".yaml"), parts)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--dtype", choices=components.DTYPES, default="f16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layout", choices=("diffusers", "compvis-safetensors", "compvis-ckpt"), default="diffusers")
    parser.add_argument("--sharded", action="store_true")
    parser.add_argument("--old-names", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--faint", action="store_true")
    parser.add_argument("--ema", action="store_true")
    parser.add_argument("--originals", type=pathlib.Path)
    a = parser.parse_args()
    is_folder = a.layout == "diffusers"
    if a.out.exists():
        parser.error(f"{a.out} is already there")
    if is_folder and (a.ema or a.originals or a.family == "dp-mnist"):
        parser.error("--ema, --originals and dp-mnist belong to the compvis layouts")
    if not is_folder and (a.sharded or a.old_names):
        parser.error("--sharded and --old-names belong to the diffusers layout")
    if a.sharded and a.old_names:
        parser.error("--sharded and --old-names do not go together")
    components.quiet()
    parts = components.family(a.family, a.tiny)
    if is_folder:
        write_folder(a.out, parts, a)
    else:
        write_file(a.out, parts, a)


if __name__ == "__main__":
    main()
