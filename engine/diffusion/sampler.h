// SPDX-License-Identifier: GPL-3.0-or-later
//
// From noise to a sample, step for step as diffusers computes it. Takes any denoiser; guidance is
// the denoiser's affair.

#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/diffusion/sampler_kind.h"
#include "engine/diffusion/schedule.h"

namespace velamen::diffusion {

struct SamplerOptions {
    SamplerKind kind = SamplerKind::Ddim;
    int steps = 20;
    double eta = 0.0; ///< DDIM only: 0 deterministic, 1 as noisy as DDPM
};

/// x: [N, ...], t: [1] fp32, of all samples  ->  the prediction, shaped like x
using Denoiser = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& t)>;

/// A step that is done.
struct SamplerStep {
    int done, total;
    /// Where its input leads without further noise: x0, in the type of x. Computed when it is
    /// called, which is during the step's report alone.
    std::function<at::Tensor()> denoised;
};

/// The timesteps in the order in which they are visited; whole numbers but for Euler's under
/// linspace, which may lie between two steps of training.
Result<std::vector<float>> timesteps(const Schedule& schedule, const SamplerOptions& options);

/// x: standard normal, [N, ...]. `step_noise(step)` (0-based, shaped like x) is called by DDIM with
/// eta > 0, DDPM, the SDE and the ancestral sampler; it may be empty otherwise. `watch` may be
/// empty. Cancelled between steps when `stop` is requested. Runs without gradients; exceptions of
/// the denoiser become errors.
Result<at::Tensor> sample(const Schedule& schedule, const SamplerOptions& options,
                          const Denoiser& denoiser, at::Tensor x,
                          const std::function<at::Tensor(int step)>& step_noise,
                          std::stop_token stop,
                          const std::function<void(const SamplerStep&)>& watch);

} // namespace velamen::diffusion
