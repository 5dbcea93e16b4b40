#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a checkpoint folder with diffusers and compares every component with `velamen-cli forward`.

usage: compare_with_diffusers.py VELAMEN-CLI CHECKPOINT [--batch 4] [--tolerance 1e-5]

Both compute in fp32 on the CPU from the same stored weights. Exit 1 when a component differs by more than the
tolerance times max(1, |y|). Needs torch, diffusers and safetensors."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file


def forward(cli, checkpoint, component, inputs):
    with tempfile.TemporaryDirectory() as folder:
        given, answer = f"{folder}/in.safetensors", f"{folder}/out.safetensors"
        save_file(inputs, given)
        subprocess.run([cli, "forward", checkpoint, "--component", component, "--inputs", given,
                        "--outputs", answer], check=True)
        return load_file(answer)


def compare(name, theirs, ours, tolerance):
    worst = ((theirs - ours).abs() / theirs.abs().clamp(min=1)).max().item()
    print(f"{name:24} |y| <= {theirs.abs().max():.3f}   largest difference {worst:.2e}")
    return worst <= tolerance


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cli")
    parser.add_argument("checkpoint")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    a = parser.parse_args()
    folder = pathlib.Path(a.checkpoint)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).eval()
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    table = load_file(folder / "class_embedder/model.safetensors")["embedding.weight"].float()
    torch.manual_seed(0)
    side = unet.config.sample_size
    sample = torch.randn(a.batch, unet.config.in_channels, side, side)
    timestep = torch.randint(0, 1000, (a.batch,)).float()
    labels = torch.randint(0, len(table), (a.batch,))
    context = table[labels][:, None].contiguous()
    good = True
    theirs = unet(sample, timestep, encoder_hidden_states=context).sample
    for name, given in (("encoder_hidden_states", context), ("class_labels", labels)):
        ours = forward(a.cli, a.checkpoint, "unet",
                       {"sample": sample, "timestep": timestep, name: given})["sample"]
        good &= compare(f"unet ({name[:13]})", theirs, ours, a.tolerance)
    image = torch.rand(a.batch, vae.config.in_channels, vae.config.sample_size, vae.config.sample_size) * 2 - 1
    posterior = vae.encode(image).latent_dist
    ours = forward(a.cli, a.checkpoint, "vae_encoder", {"sample": image})
    good &= compare("vae_encoder mean", posterior.mean, ours["mean"], a.tolerance)
    good &= compare("vae_encoder logvar", posterior.logvar, ours["logvar"], a.tolerance)
    decoded = vae.decode(posterior.mean).sample
    ours = forward(a.cli, a.checkpoint, "vae_decoder", {"latents": posterior.mean.contiguous()})["sample"]
    good &= compare("vae_decoder", decoded, ours, a.tolerance)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
