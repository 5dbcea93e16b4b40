// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/diffusion/sampler.h"

#include <cmath>
#include <exception>
#include <memory>
#include <new>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "engine/diffusion/stepper.h"

namespace velamen::diffusion {

Estimates interpret(PredictionType type, const at::Tensor& x, const at::Tensor& output,
                    double alpha, double sigma)
{
    switch (type) {
    case PredictionType::Epsilon:
        return {(x - output * sigma) / alpha, output};
    case PredictionType::Sample:
        return {output, (x - output * alpha) / sigma};
    case PredictionType::VPrediction:
        break;
    }
    return {x * alpha - output * sigma, output * alpha + x * sigma};
}

namespace {

std::unique_ptr<Stepper> make_stepper(const SamplerOptions& options, StepperParts parts)
{
    switch (options.kind) {
    case SamplerKind::Ddpm:
        return make_ddpm(std::move(parts));
    case SamplerKind::DpmSolverPp2M:
    case SamplerKind::DpmSolverPp2MSde:
        return make_dpm_solver(std::move(parts), options.kind == SamplerKind::DpmSolverPp2MSde);
    case SamplerKind::Euler:
    case SamplerKind::EulerAncestral:
        return make_euler(std::move(parts), options.kind == SamplerKind::EulerAncestral);
    case SamplerKind::Ddim:
        break;
    }
    return make_ddim(std::move(parts), options.eta);
}

bool takes_noise(const SamplerOptions& options)
{
    if (options.kind == SamplerKind::Ddim) return options.eta > 0.0;
    return options.kind != SamplerKind::DpmSolverPp2M && options.kind != SamplerKind::Euler;
}

/// x: as the network is shown it, alpha x0 + sigma eps.
at::Tensor denoised(const Schedule& schedule, float time, const at::Tensor& x,
                    const at::Tensor& output)
{
    const double ratio = schedule.noise_ratio(time);
    const double alpha = 1.0 / std::sqrt(ratio * ratio + 1.0);
    return interpret(schedule.options().prediction_type, x, output, alpha, ratio * alpha).x0;
}

} // namespace

Result<at::Tensor> sample(const Schedule& schedule, const SamplerOptions& options,
                          const Denoiser& denoiser, at::Tensor x,
                          const std::function<at::Tensor(int step)>& step_noise,
                          std::stop_token stop,
                          const std::function<void(const SamplerStep&)>& watch)
{
    if (!(options.eta >= 0.0 && options.eta <= 1.0))
        return fail(ErrorCode::InvalidArgument, "eta must be between 0 and 1");
    VELAMEN_ASSIGN(const std::vector<float> times, timesteps(schedule, options));
    if (takes_noise(options) && !step_noise)
        return fail(ErrorCode::Internal, "this sampler needs a source of noise");
    try {
        const at::NoGradGuard no_grad;
        const auto stepper = make_stepper(options, {schedule, times, step_noise});
        // In double between the steps: fifty roundings to fp32 would add up to more than the
        // rounding of the model's input.
        const at::ScalarType type = x.scalar_type();
        x = x.to(at::kDouble) * stepper->initial_scale();
        const int total = static_cast<int>(times.size());
        for (int i = 0; i < total; ++i) {
            if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "sampling was stopped");
            const float time = times[static_cast<std::size_t>(i)];
            const at::Tensor t = at::full({1}, time, x.options().dtype(at::kFloat));
            const at::Tensor shown = stepper->input(i, x);
            const at::Tensor output = denoiser(shown.to(type), t).to(at::kDouble);
            x = stepper->step(i, x, output);
            if (watch)
                watch({i + 1, total,
                       [&] { return denoised(schedule, time, shown, output).to(type); }});
        }
        return x.to(type);
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "sampling ran out of memory", "draw fewer at a time");
    } catch (const std::exception& e) {
        return fail(ErrorCode::Internal, std::string("sampling failed: ") + e.what());
    }
}

} // namespace velamen::diffusion
