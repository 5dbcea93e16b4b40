#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small torch files of every container and kind, and what torch holds after loading them.

usage: make_torch_files.py FOLDER        (needs torch 2.15.0 and numpy 2)

FOLDER/expected.json: file -> {"tensors": [{name, dtype, shape, contiguous, hex of the row-major bytes}],
"numbers": {name: value}}, the tensors in the order of their dictionary. The bytes of legacy files differ from
run to run (their keys are addresses), what they hold does not."""
import collections
import json
import pathlib
import sys

import numpy
import torch

NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
         torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
         torch.bool: "BOOL"}


def every_dtype():
    given = torch.tensor([-2, -1, 0, 1, 2, 3])
    unsigned = (torch.uint8, torch.bool)
    return {f"of.{name}": (given.abs() if dtype in unsigned else given).to(dtype)
            for dtype, name in NAMES.items()}


def views():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) * 0.5
    half = torch.arange(10, dtype=torch.float16)
    return {"whole": base, "transposed": base.transpose(0, 2), "slice": base[1, 1:], "column": base[:, :, 1],
            "lone_row": base[:1, 0],
            "every_other": half[1::2], "scalar": half[7], "one_by_one": half[3:4].reshape(1, 1, 1),
            "none": base[:, :0], "none_of_all": torch.empty(0, 5, dtype=torch.int32),
            "permuted_conv": base.reshape(2, 3, 2, 2).to(memory_format=torch.channels_last)}


def module():
    torch.manual_seed(0)
    made = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(3, 2))
    made[2].weight = torch.nn.Parameter(made[2].weight.t().detach())
    return made


def parameters():
    kept = collections.OrderedDict(module().named_parameters())
    kept["tied"] = kept["2.bias"]
    return kept


def lightning():
    """What pytorch_lightning 1.4 leaves around a state_dict, with a stand-in for its class."""
    callback = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks.model_checkpoint"})
    fake = type(sys)("pytorch_lightning.callbacks.model_checkpoint")
    fake.ModelCheckpoint = callback
    for package in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        sys.modules.setdefault(package, type(sys)(package))
    sys.modules[fake.__name__] = fake
    return {"epoch": 6, "global_step": 470000, "pytorch-lightning_version": "1.4.2",
            "state_dict": module().state_dict(),
            "callbacks": {callback: {"best_model_score": torch.tensor(0.25), "wait": numpy.float64(0.5),
                                     "scores": numpy.arange(3), "current": None, "paths": {"a", "b"}}},
            "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": torch.ones(3)}},
                                  "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0]}]}],
            "lr_schedulers": [], "loss": -0.125, "large": 2**40, "negative": -3}


FILES = {
    "dtypes.pt": (every_dtype, {}),
    "dtypes_legacy.pt": (every_dtype, {"_use_new_zipfile_serialization": False}),
    "views.pt": (views, {}),
    "views_legacy.pt": (views, {"_use_new_zipfile_serialization": False}),
    "parameters.bin": (parameters, {}),
    "module_protocol4.pth": (lambda: module().state_dict(), {"pickle_protocol": 4}),
    "lightning.ckpt": (lightning, {}),
    "lightning_legacy.ckpt": (lightning, {"_use_new_zipfile_serialization": False}),
    "lightning_protocol4.ckpt": (lightning, {"pickle_protocol": 4}),
    "nested.ckpt": (lambda: {"epoch": 1, "state_dict": {"epoch": 2, "lr": 0.5, "state_dict": views()}}, {}),
}


def tensors_of(loaded):
    while "state_dict" in loaded:
        loaded = loaded["state_dict"]
    entries = []
    for name, tensor in loaded.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        tensor = tensor.detach()
        raw = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        entries.append({"name": name, "dtype": NAMES[tensor.dtype], "shape": list(tensor.shape),
                        "contiguous": tensor.is_contiguous(), "hex": raw.hex()})
    return entries


def numbers_of(loaded):
    numbers = {}
    while True:
        for name, value in loaded.items():
            if type(value) in (int, float):
                numbers.setdefault(name, value)
        if "state_dict" not in loaded:
            return numbers
        loaded = loaded["state_dict"]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, (make, options) in FILES.items():
        torch.save(make(), folder / name, **options)
        loaded = torch.load(folder / name, weights_only=False)
        expected[name] = {"tensors": tensors_of(loaded), "numbers": numbers_of(loaded)}
    text = json.dumps(expected, separators=(",", ":")).replace('{"name"', '\n{"name"')
    (folder / "expected.json").write_text(text + "\n")


main()
