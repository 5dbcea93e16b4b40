#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base against tuned checkpoint by name, shape, dtype and bytes; exit 1 when anything but transformer blocks
and the class table differs.

usage: compare_checkpoints.py BASE TUNED        (needs safetensors and torch)"""
import sys

import torch
from safetensors.torch import load_file

base, tuned = sys.argv[1:3]
good = True
for part in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "class_embedder/model"):
    before, after = (load_file(f"{folder}/{part}.safetensors") for folder in (base, tuned))
    if list(sorted(before)) != list(sorted(after)):
        print(f"{part}: other names")
        good = False
    changed = []
    for name in sorted(before):
        a, b = before[name], after[name]
        if a.dtype != b.dtype or (a.shape != b.shape and not part.startswith("class_embedder")):
            print(f"{part}: {name}: {a.dtype} {tuple(a.shape)} became {b.dtype} {tuple(b.shape)}")
            good = False
        elif a.shape != b.shape or not torch.equal(a.view(torch.uint8), b.view(torch.uint8)):
            changed.append(name)
    allowed = [n for n in changed if ".attentions." in n or part.startswith("class_embedder")]
    good &= allowed == changed
    print(f"{part}: {len(before)} tensors, {len(changed)} differ, "
          f"{len(changed) - len(allowed)} of them should not")
sys.exit(0 if good else 1)
