#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares `velamen-cli forward` on a checkpoint with the answers that reference.py wrote.

usage: compare.py VELAMEN-CLI CHECKPOINT REFERENCE [--tolerance 1e-5] [--only unet] [--timeout 900]
                  [-- --heads 8]

CHECKPOINT is a folder or a single file; what it leaves open is told behind "--". For every REFERENCE/<component>[-case].in.safetensors it prints the largest
|difference| / max(1, |y|) of all outputs. Exit 1 when one is above the tolerance, not finite, missing or of another
shape, or when the command fails. Where none is given, the tolerance is the reference's own (1e-5 tiny, 1e-4 full
size), or twice the noise of fp32 in that case (reference.py) if that is more. Needs torch and safetensors."""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from safetensors.torch import load_file


def forward(cli, checkpoint, component, inputs, outputs, timeout, told):
    """None, or what went wrong."""
    command = [cli, "forward", checkpoint, "--component", component, "--inputs", inputs, "--outputs", outputs, *told]
    try:
        run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {timeout} s"
    except OSError as error:
        sys.exit(f"{cli}: {error.strerror}")
    if run.returncode != 0:
        said = (run.stderr.strip() or run.stdout.strip()).splitlines()
        return f"exit {run.returncode}: " + " / ".join(said[:3])
    return None if outputs.exists() else "no outputs written"


def worst_difference(theirs, ours):
    """The largest difference and the tensor it is in; a text when they cannot be compared."""
    worst, where = 0.0, ""
    for name, wanted in theirs.items():
        if name not in ours:
            return f"no tensor '{name}', only {sorted(ours)}"
        found = ours[name]
        if found.shape != wanted.shape:
            return f"'{name}' is {list(found.shape)}, not {list(wanted.shape)}"
        if not found.isfinite().all():
            return f"'{name}' is not finite"
        wanted = wanted.double()
        difference = ((found.double() - wanted).abs() / wanted.abs().clamp(min=1)).max().item()
        if difference >= worst:
            worst, where = difference, name
    return worst, where


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli")
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("reference", type=pathlib.Path)
    parser.add_argument("--tolerance", type=float)
    parser.add_argument("--only", help="components, separated by commas")
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("told", nargs="*", help="options of `forward`")
    a = parser.parse_args()
    if not a.checkpoint.exists():
        parser.error(f"{a.checkpoint} is not there")
    about = json.loads((a.reference / "reference.json").read_text())
    cases = sorted(p.name.removesuffix(".in.safetensors") for p in a.reference.glob("*.in.safetensors"))
    if a.only:
        cases = [case for case in cases if case.split("-")[0] in a.only.split(",")]
    if not cases:
        sys.exit(f"{a.reference} has no cases")
    failed = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            outputs = pathlib.Path(folder) / "out.safetensors"
            result = forward(a.cli, a.checkpoint, case.split("-")[0], a.reference / f"{case}.in.safetensors", outputs,
                             a.timeout, a.told)
            if result is None:
                try:
                    result = worst_difference(load_file(a.reference / f"{case}.out.safetensors"), load_file(outputs))
                except Exception as error:  # a broken outputs file is a failure of this case only
                    result = f"unreadable outputs: {error}"
        noise = about["cases"].get(case, {}).get("noise", 0.0)
        allowed = max(about["tolerance"], 2 * noise) if a.tolerance is None else a.tolerance
        if isinstance(result, str):
            failed += 1
            print(f"{case:18} FAILED {result}", flush=True)
            continue
        is_good = result[0] <= allowed
        failed += not is_good
        print(f"{case:18} {result[0]:.2e} of {allowed:.1e} in {result[1]}{'' if is_good else '   TOO FAR'}", flush=True)
    print(f"{len(cases) - failed} of {len(cases)} within their tolerance")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
