#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""From diffusers through two private steps and back: what Velamen has tuned opens in diffusers, differs in the
selected tensors only, and computes what `velamen-cli forward` says.

usage: round_trip.py VELAMEN-CLI BASE WORK [--image-size 64] [--units 120] [--batch 4] [--select attention]
                     [--caption 'a photo of {class}'] [--conditioner] [--tolerance 1e-4]

BASE is a diffusers folder (make_twin.py), WORK a new folder. The private images are noise. Exit 1 when something
differs. Needs torch, diffusers, transformers, safetensors and Pillow."""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}{done.stdout}")
    return done.stdout


def make_images(folder, units, size):
    from PIL import Image
    draw = random.Random(1)
    for i in range(units):
        path = folder / ("red" if i % 2 else "blue")
        path.mkdir(parents=True, exist_ok=True)
        Image.frombytes("RGB", (size, size), draw.randbytes(3 * size * size)).save(path / f"{i}.png")


def weights(folder, component):
    found = sorted((folder / component).glob("*.safetensors"))
    return {name: tensor for path in found for name, tensor in load_file(path).items()}


def compare_weights(base, tuned, trained):
    """Whether exactly the tensors in `trained` ("unet/<key>") differ."""
    good = True
    for component in sorted(p.name for p in base.iterdir() if (p / "config.json").exists()):
        before, after = weights(base, component), weights(tuned, component)
        good &= before.keys() == after.keys()
        changed = {f"{component}/{name}" for name in before
                   if before[name].dtype != after[name].dtype or not torch.equal(before[name], after[name])}
        wanted = {name for name in trained if name.startswith(component + "/")}
        good &= changed == wanted
        print(f"{component:14} {len(before):5} tensors, {len(changed)} differ, {len(wanted)} were to")
    return good


@torch.no_grad()
def compare_output(cli, tuned, work, tolerance):
    from diffusers import UNet2DConditionModel
    unet = UNet2DConditionModel.from_pretrained(tuned / "unet", torch_dtype=torch.float32).eval()
    torch.manual_seed(0)
    given = {"sample": torch.randn(1, unet.config.in_channels, 32, 32), "timestep": torch.tensor([341.0]),
             "encoder_hidden_states": torch.randn(1, 77, unet.config.cross_attention_dim)}
    save_file(given, work / "in.safetensors")
    run(cli, "forward", tuned, "--component", "unet", "--inputs", work / "in.safetensors", "--outputs",
        work / "out.safetensors")
    theirs = unet(given["sample"], given["timestep"], given["encoder_hidden_states"]).sample
    ours = load_file(work / "out.safetensors")["sample"]
    worst = ((theirs - ours).abs() / theirs.abs().clamp(min=1)).max().item()
    print(f"output of the tuned UNet: largest difference {worst:.2e} of {tolerance:.0e}")
    return worst <= tolerance


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli", type=pathlib.Path)
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--units", type=int, default=120)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--select", default="attention")
    parser.add_argument("--caption", default="a photo of {class}")
    parser.add_argument("--conditioner", action="store_true", help="train the text encoder too")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    a = parser.parse_args()
    a.work.mkdir(parents=True)
    os.environ["XDG_DATA_HOME"] = str(a.work.absolute() / "data")  # a ledger of its own
    make_images(a.work / "private", a.units, a.image_size)
    plan = a.work / "plan.json"
    run(a.cli, "plan", a.base.absolute(), a.work / "private", "--epsilon", 8, "--delta", 1e-4, "--steps", 2, "--batch",
        a.batch, "--select", a.select, "--caption", a.caption, "--image-size", a.image_size, "--out", plan,
        *([] if a.conditioner else ["--no-conditioner"]))
    said = json.loads(plan.read_text())
    said |= {"sample_every": 0, "micro_batch": 1}
    plan.write_text(json.dumps(said))
    run(a.cli, "train", plan)
    tuned = a.work / "runs/0001/checkpoints/tuned"
    trained = json.loads((tuned / "velamen.json").read_text())["trained_tensors"]
    good = compare_weights(a.base, tuned, trained)
    good &= compare_output(a.cli, tuned, a.work, a.tolerance)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
