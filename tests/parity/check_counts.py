#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts parameters and tensors of a checkpoint's components and holds them against the published figures.

usage: check_counts.py FOLDER-or-FILE [--family FAMILY]

Reads headers only. FAMILY: sd1 sd2 text2im cin256 celebahq dp-cifar dp-mnist; left out, it is the one whose UNet has
as many parameters. Exit 1 when a count differs or a component is missing. .ckpt files need torch."""
import argparse
import json
import math
import pathlib
import re
import struct
import sys

from families import AUTOENCODERS, PUBLISHED

# What files carry and no component uses.
LEFTOVER = re.compile(r"position_ids$|\.attn_mask$|\.logit_scale$|\.text_projection$|\.resblocks\.23\.|\.loss\.")
PREFIXES = {"model.diffusion_model.": "unet", "first_stage_model.": "autoencoder", "cond_stage_model.": "conditioner"}


def header(path):
    """name -> shape."""
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        if size > 100_000_000:
            sys.exit(f"{path}: not a safetensors file")
        entries = json.loads(file.read(size))
    return {name: entry["shape"] for name, entry in entries.items() if name != "__metadata__"}


def torch_shapes(path):
    """The tensors stay on the disk: they are mapped and never touched."""
    import torch

    import single_file
    torch.serialization.add_safe_globals(list(single_file.callbacks()))
    state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    while "state_dict" in state:
        state = state["state_dict"]
    return {name: list(value.shape) for name, value in state.items() if hasattr(value, "shape")}


def add(counts, component, name, shape):
    if not LEFTOVER.search(name):
        known = counts.setdefault(component, [0, 0])
        known[0] += math.prod(shape)
        known[1] += 1


def count_folder(folder):
    counts = {}
    for sub in sorted(p for p in folder.iterdir() if p.is_dir()):
        index = sorted(sub.glob("*.safetensors.index.json"))
        paths = sorted({sub / name for name in json.loads(index[0].read_text())["weight_map"].values()}
                       ) if index else sorted(sub.glob("*.safetensors"))[:1]
        for path in paths:
            for name, shape in header(path).items():
                add(counts, sub.name, name, shape)
    return counts


def count_file(path):
    counts = {}
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    for name, shape in (torch_shapes(path) if is_zip else header(path)).items():
        for prefix, component in PREFIXES.items():
            if name.startswith(prefix):
                add(counts, component, name, shape)
    return counts


def published(family, is_file):
    """component -> (parameters, tensors or None)"""
    out = {}
    for name, (parameters, tensors, original_tensors) in PUBLISHED[family].items():
        if is_file:
            name = {"unet": "unet"}.get(name) or ("autoencoder" if name in AUTOENCODERS else "conditioner")
        out[name] = (parameters, original_tensors if is_file else tensors)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--family", choices=PUBLISHED)
    a = parser.parse_args()
    is_file = a.path.is_file()
    counts = count_file(a.path) if is_file else count_folder(a.path)
    unet = counts.get("unet", [0, 0])[0]
    family = a.family or next((f for f, parts in PUBLISHED.items() if parts["unet"][0] == unet), None)
    if family is None:
        sys.exit(f"{a.path}: no family's UNet has {unet:,} parameters; it has {counts}")
    good = True
    for name, (parameters, tensors) in published(family, is_file).items():
        found = counts.pop(name, [0, 0])
        right = found[0] == parameters and tensors in (None, found[1])
        good &= right
        print(f"{family:9} {name:15} {found[0]:13,} parameters {found[1]:4} tensors   " + (
            "as published" if right else f"PUBLISHED: {parameters:,} in {tensors}"))
    for name, found in counts.items():
        good = False
        print(f"{family:9} {name:15} {found[0]:13,} parameters {found[1]:4} tensors   NOT PUBLISHED")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
