# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes tests/goldens/nn: what diffusers computes on tiny models whose parameters are all random, and
# what its schedulers make of a fixed fake model output. Run by hand:
#   python tests/goldens/make_nn_goldens.py      (torch 2.15, diffusers 0.42)

import copy
import json
import pathlib

import torch
from diffusers import (AutoencoderKL, AutoencoderTiny, DDIMScheduler, DPMSolverMultistepScheduler,
                       UNet2DConditionModel, UNet2DModel, VQModel)
from safetensors.torch import save_file

from make_sampler_goldens import use_double

OUT = pathlib.Path(__file__).parent / "nn"

UNETS = {
    # Cross-attention at one level, convolutional projections, several context tokens.
    "unet_conv": dict(
        sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), layers_per_block=1, norm_num_groups=4,
        attention_head_dim=2, cross_attention_dim=6),
    # Linear projections, heads per level, two layers, one context token.
    "unet_linear": dict(
        sample_size=8, in_channels=4, out_channels=2, block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), layers_per_block=2,
        norm_num_groups=4, attention_head_dim=(2, 4), cross_attention_dim=5,
        use_linear_projection=True, norm_eps=1e-4, flip_sin_to_cos=False, freq_shift=1),
    # Three levels, the first without attention, one head, one token, a class table beside the timestep.
    "unet_classes": dict(
        sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 12, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), layers_per_block=1,
        norm_num_groups=4, attention_head_dim=1, cross_attention_dim=6, num_class_embeds=7),
    # Time scales and shifts.
    "unet_shift": dict(
        sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), layers_per_block=1, norm_num_groups=4,
        attention_head_dim=2, cross_attention_dim=6, resnet_time_scale_shift="scale_shift"),
}
TOKENS = {"unet_conv": 3, "unet_linear": 1, "unet_classes": 1, "unet_shift": 4}
VAES = {
    "vae": dict(
        sample_size=16, in_channels=3, out_channels=3, block_out_channels=(8, 12),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"), layers_per_block=1,
        latent_channels=2, norm_num_groups=4),
    "vae_plain": dict(
        sample_size=16, in_channels=1, out_channels=1, block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"), layers_per_block=1,
        latent_channels=3, norm_num_groups=2, mid_block_add_attention=False),
}


UNCONDITIONAL = {
    # Heads of several channels, convolutions between the levels.
    "uncond": dict(
        sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1, norm_num_groups=4, attention_head_dim=4),
    # Time scales and shifts, residual blocks between the levels, a norm of its own in the middle.
    "uncond_shift": dict(
        sample_size=8, in_channels=3, out_channels=2, block_out_channels=(8, 16),
        down_block_types=("AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D"), layers_per_block=2, norm_num_groups=4,
        attention_head_dim=8, resnet_time_scale_shift="scale_shift", downsample_type="resnet",
        upsample_type="resnet", attn_norm_num_groups=8),
    # One head, no norm before the middle's attention.
    "uncond_bare": dict(
        sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1, norm_num_groups=2, attention_head_dim=None,
        resnet_time_scale_shift="scale_shift", norm_eps=1e-4),
}


def randomise(model, generator):
    """Default initial values (zero biases, unit norms) would hide errors."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.1 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.05 * noise)
            else:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
            parameter.copy_(parameter.half().float())  # stored as fp16 without loss
    return model.eval()


def save(name, model, tensors):
    data = {f"weight/{k}": v.half().contiguous() for k, v in model.state_dict().items()}
    data |= {f"data/{k}": v.contiguous() for k, v in tensors.items()}
    config = {k: v for k, v in model.config.items() if not k.startswith("_") or k == "_class_name"}
    config["_class_name"] = type(model).__name__
    save_file(data, OUT / f"{name}.safetensors",
              {"config": json.dumps(config), "parameters": str(sum(p.numel() for p in model.parameters()))})


def unet(name, generator):
    model = randomise(UNet2DConditionModel(**UNETS[name]), generator)
    channels, width = model.config.in_channels, model.config.cross_attention_dim
    t = torch.tensor([3.0, 741.5])
    out = {"timestep": t}
    labels = None if model.config.num_class_embeds is None else torch.tensor([6, 2])
    if labels is not None:
        out["labels"] = labels
    # 9 x 7 needs upsampling to odd sizes; the small one probes the eps of the norms.
    for case, size, scale in (("even", (8, 8), 1.0), ("odd", (9, 7), 1.0), ("faint", (4, 4), 1e-3)):
        x = scale * torch.randn(2, channels, *size, generator=generator)
        c = scale * torch.randn(2, TOKENS[name], width, generator=generator)
        out |= {f"{case}_sample": x, f"{case}_context": c, f"{case}_out": model(x, t, c, class_labels=labels).sample}
    save(name, model, out)


def unconditional(name, generator):
    model = randomise(UNet2DModel(**UNCONDITIONAL[name]), generator)
    t = torch.tensor([3.0, 741.5])
    out = {"timestep": t}
    # Fainter, and diffusers' own fp32 is 1e-5 from its fp64.
    for case, size, scale in (("even", (8, 12), 1.0), ("faint", (4, 4), 1e-2)):
        x = scale * torch.randn(2, model.config.in_channels, *size, generator=generator)
        out |= {f"{case}_sample": x, f"{case}_out": model(x, t).sample}
    save(name, model, out)


def vae(name, generator):
    model = randomise(AutoencoderKL(**VAES[name]), generator)
    x = torch.randn(2, model.config.in_channels, 16, 12, generator=generator)
    z = torch.randn(2, model.config.latent_channels, 5, 7, generator=generator)
    posterior = model.encode(x).latent_dist
    save(name, model, {"sample": x, "mean": posterior.mean, "logvar": posterior.logvar,
                       "latents": z, "decoded": model.decode(z).sample})


def vq(generator):
    model = randomise(VQModel(sample_size=16, in_channels=3, out_channels=3, block_out_channels=(8, 12),
                              down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
                              up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
                              layers_per_block=1, latent_channels=3, norm_num_groups=4,
                              num_vq_embeddings=64, vq_embed_dim=2), generator)
    x = torch.randn(2, 3, 16, 12, generator=generator)
    z = torch.randn(2, 2, 5, 7, generator=generator)
    save("vq", model, {"sample": x, "encoded": model.encode(x).latents, "latents": z,
                       "decoded": model.decode(z).sample})


def tiny(generator):
    model = randomise(AutoencoderTiny(encoder_block_out_channels=(8, 8, 8), num_encoder_blocks=(1, 2, 1),
                                      decoder_block_out_channels=(8, 8, 8), num_decoder_blocks=(2, 1, 1)),
                      generator)
    x = torch.randn(2, 3, 16, 12, generator=generator)
    z = 3 * torch.randn(2, 4, 5, 7, generator=generator)  # far enough out for the tanh
    save("tiny", model, {"sample": x, "encoded": model.encode(x).latents, "latents": z,
                         "decoded": model.decode(z).sample})


def fake_model(x, t):
    return 0.9 * x + 0.1 * torch.sin(2 * x) + t / 5000  # tame: rounding must not grow


SCHEDULES = {
    "sd": dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
               set_alpha_to_one=False, timestep_spacing="leading"),
    "v": dict(beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear",
              prediction_type="v_prediction", timestep_spacing="trailing"),
    "cosine": dict(beta_schedule="squaredcos_cap_v2", prediction_type="sample",
                   timestep_spacing="linspace"),
    "linear": dict(beta_start=0.0001, beta_end=0.02, beta_schedule="linear",
                   timestep_spacing="leading"),
}


def schedules(generator):
    data, configs = {}, {}
    x0 = torch.randn(2, 3, 4, 4, generator=generator)
    noises = torch.randn(20, 2, 3, 4, 4, generator=generator)
    data["x"], data["noise"] = x0, noises
    t = torch.tensor([0, 613])
    for name, common in SCHEDULES.items():
        for clip in (False, True):
            ddim = DDIMScheduler(clip_sample=clip, **common)
            for steps, eta in ((5, 0.0), (20, 0.0), (7, 1.0)):
                ddim.set_timesteps(steps)
                precise = copy.deepcopy(ddim)
                use_double(precise)
                x = x0.double()
                for i, step in enumerate(ddim.timesteps):
                    x = precise.step(fake_model(x, step), step, x, eta=eta,
                                     variance_noise=noises[i].double() if eta > 0 else None).prev_sample
                data[f"{name}/ddim/{steps}/{eta:.0f}/{int(clip)}"] = x.float()
                data[f"{name}/ddim/{steps}/times"] = ddim.timesteps
        configs[name] = {k: v for k, v in ddim.config.items() if not k.startswith("_")}
        data[f"{name}/alphas_cumprod"] = ddim.alphas_cumprod
        data[f"{name}/noisy"] = ddim.add_noise(x0, noises[0], t)
        data[f"{name}/velocity"] = ddim.get_velocity(x0, noises[0], t)
        dpm = {k: v for k, v in common.items() if k != "set_alpha_to_one"}
        for steps in (1, 5, 20):
            solver = DPMSolverMultistepScheduler(**dpm)
            solver.set_timesteps(steps)
            x = x0
            for step in solver.timesteps:
                x = solver.step(fake_model(x, step), step, x).prev_sample
            data[f"{name}/dpm/{steps}"] = x
            data[f"{name}/dpm/{steps}/times"] = solver.timesteps
    save_file(data, OUT / "schedules.safetensors", {"configs": json.dumps(configs, default=str)})


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    torch.set_grad_enabled(False)
    generator = torch.Generator().manual_seed(20)
    for name in ("unet_conv", "unet_linear"):
        unet(name, generator)
    for name in VAES:
        vae(name, generator)
    schedules(generator)
    vq(generator)
    tiny(generator)
    for name in UNCONDITIONAL:
        unconditional(name, generator)
    generator = torch.Generator().manual_seed(21)
    for name in ("unet_classes", "unet_shift"):
        unet(name, generator)
