// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a sampler is inside: where it steps on a schedule, and how. The tables of a schedule are
// fp32 as in diffusers; what is made of them is double. x and the outputs come as double too.

#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/diffusion/sampler.h"

namespace velamen::diffusion {

/// Standard normal noise of a step (0-based), shaped like x.
using StepNoise = std::function<at::Tensor(int step)>;

class Stepper {
public:
    virtual ~Stepper() = default;
    /// Times one: the standard normal x begins with this deviation.
    virtual double initial_scale() const { return 1.0; }
    /// What the network is shown instead of x.
    virtual at::Tensor input(int /*index*/, const at::Tensor& x) const { return x; }
    /// From x at times[index] and the network's output there to x at the next time.
    virtual at::Tensor step(int index, const at::Tensor& x, const at::Tensor& output) = 0;
};

/// `schedule` and `noise` outlive the stepper; `times` descend.
struct StepperParts {
    const Schedule& schedule;
    std::vector<float> times;
    const StepNoise& noise;
};

/// Song, Meng, Ermon 2021 (arXiv 2010.02502), equations 12 and 16.
std::unique_ptr<Stepper> make_ddim(StepperParts parts, double eta);
/// Ho, Jain, Abbeel 2020 (arXiv 2006.11239), equations 6 and 7, with the smaller variance.
std::unique_ptr<Stepper> make_ddpm(StepperParts parts);
/// Lu et al. 2022 (arXiv 2211.01095): multistep of order 2, midpoint, final sigma zero; the SDE
/// takes fresh noise in each step.
std::unique_ptr<Stepper> make_dpm_solver(StepperParts parts, bool is_sde);
/// Karras et al. 2022 (arXiv 2206.00364), algorithm 2 without churn; the ancestral one of
/// k-diffusion puts part of the noise back.
std::unique_ptr<Stepper> make_euler(StepperParts parts, bool is_ancestral);

/// Denoised and noise estimate from the network's output at x = alpha x0 + sigma eps.
struct Estimates {
    at::Tensor x0;
    at::Tensor eps;
};
Estimates interpret(PredictionType type, const at::Tensor& x, const at::Tensor& output,
                    double alpha, double sigma);

} // namespace velamen::diffusion
