#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far one small mistake moves the outputs of a tiny twin: what compare.py's tolerance can and cannot see.

usage: sensitivity.py FAMILY...        (not dp-mnist)

Each mistake is made in diffusers' or transformers' own module; the figures stand beside the noise of fp32. A mistake
is seen when the plain or the faint twin moves by more than the tolerance. Needs what reference.py needs."""
import copy
import sys
import types

import torch
from torch import nn

import components
import reference


def eps(kind, place, value):
    def spoil(model):
        for name, module in model.named_modules():
            if isinstance(module, kind) and place in name:
                module.eps = value
    return spoil


def tanh_gelu(model):
    for module in model.modules():
        name = type(module).__name__
        if name == "GEGLU":
            module.gelu = lambda gate: nn.functional.gelu(gate, approximate="tanh")
        elif name in ("CLIPMLP", "LDMBertEncoderLayer"):
            module.activation_fn = nn.GELU(approximate="tanh")


MISTAKES = {
    "unet": {"transformer norms eps 1e-5": eps(nn.GroupNorm, ".attentions.", 1e-5),
             "residual blocks' norms eps 1e-6": eps(nn.GroupNorm, ".resnets.", 1e-6),
             "last norm eps 1e-6": eps(nn.GroupNorm, "conv_norm_out", 1e-6),
             "layer norms eps 1e-6": eps(nn.LayerNorm, "", 1e-6), "GELU by tanh": tanh_gelu},
    "autoencoder": {"all norms eps 1e-5": eps(nn.GroupNorm, "", 1e-5),
                    "attention norms eps 1e-5": eps(nn.GroupNorm, "attentions", 1e-5)},
    "text": {"layer norms eps 1e-6": eps(nn.LayerNorm, "", 1e-6), "last norm eps 1e-6": eps(nn.LayerNorm, "final", 1e-6),
             "GELU by tanh": tanh_gelu},
}


def jobs(component, kind, config):
    """(label, group of mistakes, function, inputs, context)"""
    g = torch.Generator().manual_seed(77)
    if component == "unet":
        return [("unet", "unet", reference.run_unet, *reference.unet_cases(kind, config, True, g, None)[""])]
    if component in ("vae", "vqvae"):
        encode, decode = reference.autoencoder_cases(config, True, g)
        return [("vae_encoder", "autoencoder", reference.run_encoder, *encode[""]),
                ("vae_decoder", "autoencoder", reference.run_decoder, *decode[""])]
    if component in ("text_encoder", "bert"):
        return [("text_encoder", "text", reference.run_text, *reference.text_cases(kind, config, g)[""])]
    return []


def moved(model, run, inputs, context, spoil, right):
    spoilt = copy.deepcopy(model)
    spoil(spoilt)
    return reference.difference(right, run(spoilt, inputs, context))


@torch.no_grad()
def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    components.quiet()
    for family in sys.argv[1:]:
        for component in components.family(family, True):
            if component in ("tokenizer", "scheduler", "class_embedder"):
                continue
            rows = {}
            for faint in (False, True):
                twin = types.SimpleNamespace(twin=family, tiny=True, faint=faint, dtype="f16", seed=0)
                model, kind, config = reference.open_twin(twin, component)
                for label, group, run, inputs, context in jobs(component, kind, config):
                    right = run(model, inputs, context)
                    exact = run(copy.deepcopy(model).double(), reference.doubled(inputs),
                                None if context is None else context.double())
                    rows.setdefault(f"{label}: none, fp32 from fp64", []).append(reference.difference(exact, right))
                    for name, spoil in MISTAKES[group].items():
                        rows.setdefault(f"{label}: {name}", []).append(
                            moved(model, run, inputs, context, spoil, right))
            for name, (plain, faint) in rows.items():
                if plain or faint:  # else the model has no such part, or that value already
                    print(f"{family:9} {name:48} plain {plain:.1e}   faint {faint:.1e}", flush=True)


if __name__ == "__main__":
    main()
