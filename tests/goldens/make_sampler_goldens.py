# SPDX-License-Identifier: GPL-3.0-or-later
#
# What diffusers' schedulers make of a fixed fake model output: all schedules, predictions and
# spacings with 1, 7 and 50 steps. Run by hand:
#   PYTHONPATH=refs python3 tests/goldens/make_sampler_goldens.py     (torch 2.15.0, diffusers 0.42.1)
# Writes tests/goldens/nn/samplers.safetensors: one tensor [schedule, prediction, spacing, steps, ...]
# a sampler, and the times [spacing, steps, 50], -1 behind the last. The schedulers compute in double with their own fp32
# tables: their rounding of x and of differences of coefficients would be most of what is compared.

import json
import pathlib

import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler,
                       EulerAncestralDiscreteScheduler, EulerDiscreteScheduler)
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent / "nn" / "samplers.safetensors"
SCHEDULES = {
    "linear": dict(beta_start=0.0001, beta_end=0.02, beta_schedule="linear"),
    "scaled": dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    "cosine": dict(beta_schedule="squaredcos_cap_v2"),
    "zero_snr": dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                     rescale_betas_zero_snr=True),
}
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
SPACINGS = ["leading", "linspace", "trailing"]
STEPS = [1, 7, 50]
SAMPLERS = ["ddim", "ddim_eta", "ddpm", "dpm++2m", "dpm++2m-sde", "euler", "euler-a"]


def fake_model(x, t):
    return 0.9 * x + 0.1 * torch.sin(2 * x) + t / 5000  # as in make_nn_goldens.py


class Noises:
    """In the place of randn: the noise of step i, then of step i + 1."""

    def __init__(self, noises):
        self.noises, self.next = noises, 0

    def __call__(self, *_, **__):
        self.next += 1
        return self.noises[self.next - 1]


def scheduler_of(sampler, options):
    if sampler.startswith("ddim"):
        return DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **options)
    if sampler == "ddpm":
        return DDPMScheduler(clip_sample=False, **options)
    if sampler.startswith("dpm"):
        kind = "sde-dpmsolver++" if sampler.endswith("sde") else "dpmsolver++"
        return DPMSolverMultistepScheduler(algorithm_type=kind, **options)
    if sampler == "euler":
        return EulerDiscreteScheduler(**options)
    # It does not know the prediction of the sample itself: see run().
    known = dict(options, prediction_type="epsilon") if options["prediction_type"] == "sample" else options
    return EulerAncestralDiscreteScheduler(**known)


def use_double(scheduler):
    """From now on it computes in double with its own fp32 tables: its rounding is not what is compared."""
    for table in ("alphas_cumprod", "final_alpha_cumprod", "one", "sigmas"):
        if hasattr(scheduler, table):
            setattr(scheduler, table, getattr(scheduler, table).double())


class NoSinglePrecision:
    """Schedulers that go back to fp32 by themselves do not."""

    def __enter__(self):
        self.single, torch.float32 = torch.float32, torch.float64

    def __exit__(self, *_):
        torch.float32 = self.single


def run(sampler, options, steps, x, noises):
    scheduler = scheduler_of(sampler, options)
    scheduler.set_timesteps(steps)
    use_double(scheduler)
    x = x * scheduler.init_noise_sigma
    draw = Noises(noises)
    module = __import__(type(scheduler).__module__, fromlist=["randn_tensor"])
    module.randn_tensor = draw
    for i, t in enumerate(scheduler.timesteps):
        out = fake_model(scheduler.scale_model_input(x, t), t)
        if sampler == "euler-a" and options["prediction_type"] == "sample":
            out = (x - out) / scheduler.sigmas[i]
        more = dict(eta=1.0, variance_noise=noises[i]) if sampler == "ddim_eta" else {}
        with NoSinglePrecision():
            x = scheduler.step(out, t, x, **more).prev_sample
    return x, scheduler.timesteps.float()


def main():
    generator = torch.Generator().manual_seed(21)
    x = torch.randn(2, 1, 2, 2, generator=generator)
    noises = torch.randn(50, 2, 1, 2, 2, generator=generator)
    data = {"x": x, "noise": noises}
    for sampler in SAMPLERS:
        out = torch.empty(len(SCHEDULES), len(PREDICTIONS), len(SPACINGS), len(STEPS), *x.shape)
        times = torch.full((len(SPACINGS), len(STEPS), 50), -1.0)
        for a, schedule in enumerate(SCHEDULES.values()):
            for b, prediction in enumerate(PREDICTIONS):
                for c, spacing in enumerate(SPACINGS):
                    for d, steps in enumerate(STEPS):
                        options = dict(schedule, prediction_type=prediction, timestep_spacing=spacing,
                                       steps_offset=1 if spacing == "leading" else 0)
                        out[a, b, c, d], visited = run(sampler, options, steps, x.double(), noises.double())
                        times[c, d, :steps] = visited
        data[sampler], data[sampler + "/times"] = out, times
    configs = json.dumps([dict(v, clip_sample=False, set_alpha_to_one=False) for v in SCHEDULES.values()])
    save_file(data, OUT, {"schedules": configs})


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
