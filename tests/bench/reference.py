# SPDX-License-Identifier: GPL-3.0-or-later
#
# The reference of the dp-step benchmark: one eager, attention-only step of diffusers' UNet on the same
# configuration, forward to gradients, no privacy. Prints seconds (minimum) and peak bytes as JSON.
#   reference.py mnist|cifar|sd256 [batch [repeats]]

import json
import sys
import time

import torch
from diffusers import UNet2DConditionModel

DOWN = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
UP = ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
CONFIGS = {
    "mnist": (dict(sample_size=4, in_channels=3, out_channels=3, block_out_channels=(64, 128),
                   layers_per_block=1, down_block_types=["CrossAttnDownBlock2D"] * 2,
                   up_block_types=["CrossAttnUpBlock2D"] * 2, cross_attention_dim=5,
                   attention_head_dim=4), 1, 256),
    "cifar": (dict(sample_size=16, in_channels=3, out_channels=3,
                   block_out_channels=(128, 256, 256, 512), layers_per_block=2,
                   down_block_types=DOWN, up_block_types=UP, cross_attention_dim=512,
                   attention_head_dim=8), 1, 16),
    "sd256": (dict(sample_size=32, in_channels=4, out_channels=4,
                   block_out_channels=(320, 640, 1280, 1280), layers_per_block=2,
                   down_block_types=DOWN, up_block_types=UP, cross_attention_dim=768,
                   attention_head_dim=8), 77, 1),
}


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(int(l.split()[1]) * 1024 for l in status if l.startswith("VmHWM:"))


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "mnist"
    options, tokens, batch = CONFIGS[name]
    batch = int(sys.argv[2]) if len(sys.argv) > 2 else batch
    repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    torch.manual_seed(1)
    unet = UNet2DConditionModel(**options)
    for key, parameter in unet.named_parameters():
        parameter.requires_grad_("attentions" in key)
    size = options["sample_size"]
    x = torch.randn(batch, options["in_channels"], size, size)
    target = torch.randn_like(x)
    times = torch.rand(batch) * 1000.0
    context = torch.randn(batch, tokens, options["cross_attention_dim"])

    def step():
        unet.zero_grad(set_to_none=True)
        out = unet(x, times, encoder_hidden_states=context).sample
        torch.nn.functional.mse_loss(out, target).backward()

    step()
    with open("/proc/self/clear_refs", "w") as handle:
        handle.write("5")
    seconds = []
    for _ in range(max(5, repeats)):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"config": name, "batch": batch, "seconds": min(seconds),
                      "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
