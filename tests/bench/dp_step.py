# SPDX-License-Identifier: GPL-3.0-or-later
#
# The dp-step benchmark against its references: velamen-cli's private step, PyTorch eager without
# privacy (diffusers' UNet), Opacus with hooks and Opacus with ghost clipping, all attention-only and
# fp32 (Velamen in bf16 too), from forward to (clipped) gradient sum. Rounds are interleaved, every measurement is a process
# of its own, and the minimum over all rounds is taken: single rounds on a shared machine mean little.
#   dp_step.py VELAMEN_CLI [--configs mnist,cifar,sd256] [--methods ...] [--rounds 3] [--repeats 5]
# Peak memory is the process's peak of one step (VmHWM after clear_refs), resident, weights included;
# "above start" takes off what the process held before it built the model (interpreter, libraries).
# Needs torch 2.15.0, diffusers 0.35.1, opacus 1.5.4 (numpy 2.4.6, scipy 1.17.1) on PYTHONPATH.

import argparse
import ctypes
import json
import subprocess
import sys
import time

DOWN = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
UP = ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
CONFIGS = {  # UNet2DConditionModel, context tokens, batch
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
CLIP = 0.01
METHODS = ("velamen", "bf16", "pytorch", "hooks", "ghost")
NAMES = {"velamen": "Velamen, private", "own": "Velamen, without privacy",
         "bf16": "Velamen, private, bf16",
         "pytorch": "PyTorch eager, without privacy", "hooks": "Opacus, hooks",
         "ghost": "Opacus, ghost clipping"}


def status_bytes(key):
    with open("/proc/self/status") as status:
        return next(int(l.split()[1]) * 1024 for l in status if l.startswith(key + ":"))


def reset_peak():
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as handle:
        handle.write("5")


def private_loss(out, target):
    return (out - target).square().flatten(1).mean(1)


def step_of(method, unet, inputs, target):
    """A function that makes one step, forward to (clipped) gradients."""
    import torch
    if method == "pytorch":
        def step():
            unet.zero_grad(set_to_none=True)
            torch.nn.functional.mse_loss(unet(*inputs).sample, target).backward()
        return step

    trained = [p for p in unet.parameters() if p.requires_grad]
    batch = target.shape[0]
    sgd = torch.optim.SGD(trained, lr=0.0)
    if method == "hooks":
        from opacus import GradSampleModule
        from opacus.optimizers import DPOptimizer
        model = GradSampleModule(unet, loss_reduction="sum", strict=False)
        optimizer = DPOptimizer(sgd, noise_multiplier=0.0, max_grad_norm=CLIP,
                                expected_batch_size=batch, loss_reduction="sum")

        def step():
            optimizer.zero_grad(set_to_none=True)
            private_loss(model(*inputs).sample, target).sum().backward()
            optimizer.clip_and_accumulate()
        return step

    from opacus.grad_sample import GradSampleModuleFastGradientClipping
    from opacus.optimizers import DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping
    model = GradSampleModuleFastGradientClipping(unet, loss_reduction="sum", strict=False,
                                                 max_grad_norm=CLIP, use_ghost_clipping=True)
    optimizer = DPOptimizerFastGradientClipping(sgd, noise_multiplier=0.0, max_grad_norm=CLIP,
                                                expected_batch_size=batch, loss_reduction="sum")

    def step():
        optimizer.zero_grad(set_to_none=True)
        losses = private_loss(model(*inputs).sample, target)
        DPTensorFastGradientClipping(model, optimizer, losses, "sum").backward()
    return step


def reference(method, config, repeats):
    """One measurement in this process."""
    import torch
    from diffusers import UNet2DConditionModel
    if method != "pytorch":
        import opacus.grad_sample  # noqa: F401  part of what the process holds before the model
        import opacus.optimizers  # noqa: F401
    start = status_bytes("VmRSS")
    options, tokens, batch = CONFIGS[config]
    torch.manual_seed(1)
    unet = UNet2DConditionModel(**options)
    for key, parameter in unet.named_parameters():
        parameter.requires_grad_("attentions" in key)
    size = options["sample_size"]
    x = torch.randn(batch, options["in_channels"], size, size)
    context = torch.randn(batch, tokens, options["cross_attention_dim"])
    step = step_of(method, unet, (x, torch.rand(batch) * 1000.0, context), torch.randn_like(x))
    step()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    reset_peak()
    step()
    return {"seconds": min(seconds), "peak_bytes": status_bytes("VmHWM"), "start_bytes": start}


def measure(method, config, arguments):
    """One process; for velamen-cli its step without privacy as well."""
    is_own = method in ("velamen", "bf16")
    if is_own:
        command = [arguments.cli, "--json", "bench", "dp-step", "--config", config,
                   "--precision", "bf16" if method == "bf16" else "fp32"]
    else:
        command = [sys.executable, __file__, "--worker", method, "--configs", config,
                   "--repeats", str(arguments.repeats)]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        print(f"{method} on {config} failed: {run.stderr.strip().splitlines()[-1:]}",
              file=sys.stderr)
        return {}
    answer = json.loads(run.stdout)
    if not is_own:
        return {method: answer}
    start = {"start_bytes": answer["start_bytes"]}
    if method == "bf16":
        return {"bf16": answer["private"] | start}
    return {"velamen": answer["private"] | start, "own": answer["non_private"] | start}


def table(config, best):
    base = best.get("pytorch")
    lines = [f"{config}, batch {CONFIGS[config][2]}",
             f"{'':32}{'seconds':>9}{'ratio':>7}{'peak MB':>9}{'ratio':>7}{'above start':>13}"
             f"{'ratio':>7}"]
    for method in ("velamen", "own", "bf16", "pytorch", "hooks", "ghost"):
        if method not in best:
            continue
        row = best[method]
        own = row["peak_bytes"] - row["start_bytes"]
        ratio = [row["seconds"] / base["seconds"], row["peak_bytes"] / base["peak_bytes"],
                 own / (base["peak_bytes"] - base["start_bytes"])] if base else [float("nan")] * 3
        lines.append(f"{NAMES[method]:32}{row['seconds']:9.3f}{ratio[0]:7.2f}"
                     f"{row['peak_bytes'] / 1e6:9.0f}{ratio[1]:7.2f}{own / 1e6:13.0f}{ratio[2]:7.2f}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cli", nargs="?", default="velamen-cli")
    parser.add_argument("--configs", default="mnist,cifar,sd256")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(reference(arguments.worker, arguments.configs, arguments.repeats)))
        return
    results = {}
    for config in arguments.configs.split(","):
        best = {}
        for _ in range(arguments.rounds):
            for method in arguments.methods.split(","):
                for name, row in measure(method, config, arguments).items():
                    kept = best.setdefault(name, row)
                    for key in ("seconds", "peak_bytes", "start_bytes"):
                        kept[key] = min(kept[key], row[key])
        results[config] = best
        if not arguments.json:
            print(table(config, best), "\n", flush=True)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
