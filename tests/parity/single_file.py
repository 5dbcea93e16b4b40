# SPDX-License-Identifier: GPL-3.0-or-later
"""One file with the original names: the components' tensors and what real files carry besides."""

import collections
import sys
import types

import numpy
import torch
import yaml
from safetensors.torch import save_file

import original_names
import originals
from components import generator_of, random_value

PREFIX = {"unet": "model.diffusion_model.", "vae": "first_stage_model.", "vqvae": "first_stage_model.",
          "text_encoder": "cond_stage_model.", "bert": "cond_stage_model.", "class_embedder": "cond_stage_model."}


def renamed(family, component, kind, config, state, seed):
    """The component's tensors without the prefix, as its original class names them."""
    if component == "unet":
        return original_names.unet(state, config)
    if component in ("vae", "vqvae"):
        return original_names.autoencoder(state, config)
    if kind == "CLIPTextModel" and family == "sd2":
        dtype = next(iter(state.values())).dtype

        def leftover(name, shape):
            return random_value(name, tuple(shape), generator_of(seed, family, "leftover", name)).to(dtype)
        return original_names.open_clip(state, leftover)
    return {"CLIPTextModel": original_names.clip, "LDMBertModel": original_names.bert,
            "ClassEmbedder": dict}[kind](state)


def schedule_buffers(config):
    """What ddpm.py registers, from float64 as there."""
    betas = numpy.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000) ** 2
    kept = numpy.cumprod(1 - betas)
    before = numpy.append(1.0, kept[:-1])
    variance = betas * (1 - before) / (1 - kept)
    buffers = {"betas": betas, "alphas_cumprod": kept, "alphas_cumprod_prev": before,
               "sqrt_alphas_cumprod": kept ** 0.5, "sqrt_one_minus_alphas_cumprod": (1 - kept) ** 0.5,
               "log_one_minus_alphas_cumprod": numpy.log(1 - kept), "sqrt_recip_alphas_cumprod": kept ** -0.5,
               "sqrt_recipm1_alphas_cumprod": (1 / kept - 1) ** 0.5, "posterior_variance": variance,
               "posterior_log_variance_clipped": numpy.log(numpy.maximum(variance, 1e-20)),
               "posterior_mean_coef1": betas * before ** 0.5 / (1 - kept),
               "posterior_mean_coef2": (1 - before) * (1 - betas) ** 0.5 / (1 - kept)}
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in buffers.items()}


def ema(family, unet_kind, unet_config, seed, dtype, faint):
    """Averaged weights are those of the twin with the next seed: with --seed N+1 it is their reference."""
    from components import build_empty, random_state
    state = random_state(build_empty(unet_kind, unet_config), family, "unet", seed + 1, dtype, faint)
    names = original_names.unet(state, unet_config)
    out = {original_names.ema_name(PREFIX["unet"] + name): value for name, value in names.items()}
    updates = torch.tensor(470000, dtype=torch.int)
    return out | {"model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": updates}


def write_yaml(path, parts):
    """The configuration that the original code reads beside the file."""
    options, schedule = {}, parts["scheduler"][1]
    for component, value in parts.items():
        if component == "unet":
            target = "ldm.modules.diffusionmodules.openaimodel.UNetModel"
            options["unet_config"] = {"target": target, "params": originals.unet_options(value[1])}
        elif component in ("vae", "vqvae"):
            kind, config = value
            params = {"embed_dim": config["latent_channels"],
                      "ddconfig": originals.autoencoder_options(config, kind),
                      "lossconfig": {"target": "torch.nn.Identity"}}
            if kind == "VQModel":
                params["n_embed"] = config["num_vq_embeddings"]
            name = "AutoencoderKL" if kind == "AutoencoderKL" else "VQModelInterface"
            options["first_stage_config"] = {"target": f"ldm.models.autoencoder.{name}", "params": params}
        elif component == "class_embedder":
            params = {"n_classes": value[1]["rows"], "embed_dim": value[1]["embedding_dim"], "key": "class_label"}
            options["cond_stage_config"] = {"target": "ldm.modules.encoders.modules.ClassEmbedder", "params": params}
        elif component == "bert":
            params = {"n_embed": value[1]["d_model"], "n_layer": value[1]["encoder_layers"]}
            options["cond_stage_config"] = {"target": "ldm.modules.encoders.modules.BERTEmbedder", "params": params}
        elif component == "text_encoder":
            name = "FrozenOpenCLIPEmbedder" if parts["tokenizer"] == "clip2" else "FrozenCLIPEmbedder"
            options["cond_stage_config"] = {"target": f"ldm.modules.encoders.modules.{name}"}
    options.setdefault("cond_stage_config", "__is_unconditional__")
    vae = parts.get("vae") or parts["vqvae"]
    params = {"linear_start": schedule["beta_start"], "linear_end": schedule["beta_end"], "timesteps": 1000,
              "image_size": parts["unet"][1]["sample_size"], "channels": parts["unet"][1]["in_channels"],
              "scale_factor": vae[1]["scaling_factor"]}
    if schedule.get("prediction_type") == "v_prediction":
        params["parameterization"] = "v"
    model = {"target": "ldm.models.diffusion.ddpm.LatentDiffusion", "params": params | options}
    path.write_text(yaml.safe_dump({"model": model}, sort_keys=False))


def write(path, layout, tensors, global_step):
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    if layout == "compvis-safetensors":
        save_file(tensors, path, {"format": "pt"})
        return
    torch.save({"epoch": 6, "global_step": global_step, "pytorch-lightning_version": "1.4.2",
                "state_dict": collections.OrderedDict(tensors), "callbacks": callbacks(), "optimizer_states": [],
                "lr_schedulers": []}, path)


def callbacks():
    """Lightning keyed its callbacks by class; only the name goes into the file."""
    module = "pytorch_lightning.callbacks.model_checkpoint"
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks", module):
        sys.modules.setdefault(name, types.ModuleType(name))
    known = getattr(sys.modules[module], "ModelCheckpoint", None)
    if known is None:
        known = type("ModelCheckpoint", (), {"__module__": module})
        sys.modules[module].ModelCheckpoint = known
    return {known: {"monitor": "val/loss_simple_ema", "best_model_score": torch.tensor(0.1527),
                    "best_model_path": "epoch=000006.ckpt", "current_score": torch.tensor(0.1527)}}
