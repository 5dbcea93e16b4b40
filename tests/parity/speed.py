#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Velamen against diffusers on the CPU, fp32: sampling, one forward and opening a checkpoint.

usage: speed.py VELAMEN-CLI [--checkpoint FOLDER] [--works cifar-ddim,sd256,open,open-touched] [--sides velamen,diffusers]
                [--rounds 3] [--threads N] [--json]

cifar-ddim   DDIM, 20 steps, 8 images, the CIFAR UNet (90.3 M parameters), one token of context
sd256        one forward of the SD-1.5 UNet: latents 32 x 32, 77 tokens, batch 1
open         the UNet of a checkpoint folder from disk to a module ready to run (--checkpoint; make_twin.py sd1
             --dtype f32 has the size of SD 1.5); diffusers with low_cpu_mem_usage
open-touched the same with one value of every page looked at: both map the file, and what is left is the kernel's work

Sides alternate, every measurement is a process of its own, and the minimum over all rounds is taken: single rounds on
a shared machine mean little, and only ratios of one run count. Files are read once before, so that both find them in
the page cache. Needs torch, diffusers and accelerate."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

from families import blocks

DOWN, UP = blocks("XXXB")
CONFIGS = {
    "cifar-ddim": (dict(sample_size=16, in_channels=3, out_channels=3, block_out_channels=(128, 256, 256, 512),
                        layers_per_block=2, down_block_types=DOWN, up_block_types=UP, cross_attention_dim=512,
                        attention_head_dim=8), 1, 8),
    "sd256": (dict(sample_size=32, in_channels=4, out_channels=4, block_out_channels=(320, 640, 1280, 1280),
                   layers_per_block=2, down_block_types=DOWN, up_block_types=UP, cross_attention_dim=768,
                   attention_head_dim=8), 77, 1),
}
STEPS = 20


def velamen_forward(cli, config):
    """The command that times `config`; it answers {"seconds": ...} as JSON."""
    return [cli, "--json", "bench", "forward", "--config", config]


def velamen_open(cli, checkpoint, touch):
    return [cli, "--json", "bench", "open", str(checkpoint), *(["--touch"] if touch else [])]


def random_unet(config):
    import torch
    from diffusers import UNet2DConditionModel
    options, tokens, batch = CONFIGS[config]
    torch.manual_seed(1)
    unet = UNet2DConditionModel(**options).eval()
    size = options["sample_size"]
    x = torch.randn(batch, options["in_channels"], size, size)
    return unet, x, torch.randn(batch, tokens, options["cross_attention_dim"])


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def diffusers_ddim():
    from diffusers import DDIMScheduler
    unet, x, context = random_unet("cifar-ddim")
    scheduler = DDIMScheduler(beta_start=0.0015, beta_end=0.0155, beta_schedule="scaled_linear", clip_sample=False)

    def sample():
        scheduler.set_timesteps(STEPS)
        latents = x
        for t in scheduler.timesteps:
            latents = scheduler.step(unet(latents, t, context).sample, t, latents).prev_sample
    unet(x, 999, context)
    return timed(sample)


def diffusers_forward():
    unet, x, context = random_unet("sd256")
    unet(x, 999, context)
    return min(timed(lambda: unet(x, 500, context)) for _ in range(3))


def diffusers_open(checkpoint, touch):
    import torch
    from diffusers import UNet2DConditionModel

    def work():
        unet = UNet2DConditionModel.from_pretrained(pathlib.Path(checkpoint) / "unet", dtype=torch.float32,
                                                    low_cpu_mem_usage=True)
        for parameter in unet.parameters() if touch else ():
            parameter.detach().view(-1)[::1024].sum()  # one value a page
    return timed(work)


def worker(work, checkpoint):
    import torch

    import components
    components.quiet()
    with torch.no_grad():
        seconds = {"cifar-ddim": diffusers_ddim, "sd256": diffusers_forward,
                   "open": lambda: diffusers_open(checkpoint, False),
                   "open-touched": lambda: diffusers_open(checkpoint, True)}[work]()
    print(json.dumps({"seconds": seconds, "threads": torch.get_num_threads()}))


def measure(side, work, a):
    """Seconds, or None when the side cannot do it."""
    if side == "diffusers":
        command = [sys.executable, __file__, "worker", "--worker", work]
        command += ["--checkpoint", str(a.checkpoint)] if a.checkpoint else []
    else:
        command = velamen_open(a.cli, a.checkpoint, work != "open") if work.startswith("open") else velamen_forward(a.cli, work)
    environment = os.environ | {"OMP_NUM_THREADS": str(a.threads), "MKL_NUM_THREADS": str(a.threads)}
    try:
        run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if run.returncode == 0:
            return float(json.loads(run.stdout)["seconds"])
        said = (run.stderr.strip() or run.stdout.strip()).split()[-30:]
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = [f"{type(error).__name__}: {error}"]
    print(f"{side} cannot do {work}: {' '.join(said)}", file=sys.stderr)
    return None


def read_once(checkpoint):
    for path in (checkpoint / "unet").glob("*.safetensors"):
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli", nargs="?", default="velamen-cli")
    parser.add_argument("--checkpoint", type=pathlib.Path)
    parser.add_argument("--works", default="cifar-ddim,sd256,open,open-touched")
    parser.add_argument("--sides", default="velamen,diffusers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.worker:
        worker(a.worker, a.checkpoint)
        return
    works = a.works.split(",")
    if a.checkpoint is None and any(work.startswith("open") for work in works):
        print("open left out: name a --checkpoint", file=sys.stderr)
        works = [work for work in works if not work.startswith("open")]
    results = {}
    for work in works:
        best, sides = {}, a.sides.split(",")
        if work.startswith("open"):
            read_once(a.checkpoint)
        for _ in range(a.rounds):
            for side in list(sides):
                seconds = measure(side, work, a)
                if seconds is None:
                    sides.remove(side)
                else:
                    best[side] = min(seconds, best.get(side, seconds))
        if len(best) == 2:
            best["ratio"] = best["velamen"] / best["diffusers"]
        results[work] = best
        if not a.json:
            said = "   ".join(f"{side} {best[side]:.3f} s" for side in ("velamen", "diffusers") if side in best)
            last = f"   velamen takes {best['ratio']:.2f} of diffusers' time" if "ratio" in best else ""
            print(f"{work:12} {said}{last}", flush=True)
    if a.json:
        print(json.dumps(results | {"threads": a.threads, "rounds": a.rounds}))
    sys.exit(0 if all("ratio" in best or len(a.sides.split(",")) == 1 and best for best in results.values()) else 1)


if __name__ == "__main__":
    main()
