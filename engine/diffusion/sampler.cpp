// SPDX-License-Identifier: GPL-3.0-or-later
//
// The two samplers. Scalars are fp32 like diffusers' zero-dimensional tensors, so that both round
// alike.

#include "engine/diffusion/sampler.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <new>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace velamen::diffusion {

namespace {

/// numpy's round: halves go to the even neighbour.
std::int64_t round_even(double value) { return static_cast<std::int64_t>(std::nearbyint(value)); }

/// numpy.linspace(0, last, count), rounded.
std::vector<std::int64_t> spread(std::int64_t last, int count)
{
    std::vector<std::int64_t> out;
    const double step =
        count > 1 ? static_cast<double>(last) / static_cast<double>(count - 1) : 0.0;
    for (int i = 0; i < count; ++i)
        out.push_back(i > 0 && i + 1 == count ? last : round_even(static_cast<double>(i) * step));
    return out;
}

std::vector<std::int64_t> ascending(const Schedule& schedule, SamplerKind kind, int steps)
{
    const std::int64_t total = schedule.num_train_timesteps();
    const std::int64_t offset = schedule.options().steps_offset;
    // DPM-Solver++ lays one more point and leaves out the lowest.
    const bool is_dpm = kind == SamplerKind::DpmSolverPp2M;
    const int points = is_dpm ? steps + 1 : steps;
    std::vector<std::int64_t> out;
    switch (schedule.options().timestep_spacing) {
    case TimestepSpacing::Linspace:
        out = spread(total - 1, points);
        if (is_dpm) out.erase(out.begin());
        break;
    case TimestepSpacing::Leading:
        for (int i = is_dpm ? 1 : 0; i < points; ++i)
            out.push_back(i * (total / points) + offset);
        break;
    case TimestepSpacing::Trailing: {
        const double ratio = static_cast<double>(total) / steps;
        for (int i = 0; i < steps; ++i)
            out.push_back(round_even(static_cast<double>(total) - i * ratio) - 1);
        std::ranges::reverse(out);
        break;
    }
    }
    return out;
}

/// Denoised estimate and noise estimate from the network's output.
struct Estimates {
    at::Tensor x0;
    at::Tensor eps;
};

Estimates interpret(PredictionType type, const at::Tensor& x, const at::Tensor& output, float alpha,
                    float sigma)
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

class Stepper {
public:
    virtual ~Stepper() = default;
    virtual at::Tensor step(int index, const at::Tensor& x, const at::Tensor& output) = 0;
};

/// Song, Meng, Ermon 2021, equations 12 and 16.
class Ddim final : public Stepper {
public:
    Ddim(const Schedule& schedule, std::vector<std::int64_t> times, float eta,
         const std::function<at::Tensor(int)>& noise)
        : schedule_(schedule), times_(std::move(times)), eta_(eta), noise_(noise)
    {
    }

    at::Tensor step(int index, const at::Tensor& x, const at::Tensor& output) override
    {
        const ScheduleOptions& o = schedule_.options();
        const std::int64_t t = times_[static_cast<std::size_t>(index)];
        const std::int64_t before =
            t - o.num_train_timesteps / static_cast<std::int64_t>(times_.size());
        const float a = schedule_.alpha_cumprod(t);
        const float a_before = before >= 0 ? schedule_.alpha_cumprod(before)
            : o.set_alpha_to_one           ? 1.0f
                                           : schedule_.alpha_cumprod(0);
        auto [x0, eps] = interpret(o.prediction_type, x, output, std::sqrt(a), std::sqrt(1.0f - a));
        if (o.clip_sample) // eps is not computed again, as in diffusers
            x0 = x0.clamp(-o.clip_sample_range, o.clip_sample_range);
        const float variance =
            std::max(0.0f, (1.0f - a_before) / (1.0f - a) * (1.0f - a / a_before));
        const float deviation = eta_ * std::sqrt(variance);
        const float direction = std::sqrt(std::max(0.0f, 1.0f - a_before - deviation * deviation));
        at::Tensor next = x0 * std::sqrt(a_before) + eps * direction;
        if (eta_ > 0.0f) next = next + noise_(index) * deviation;
        return next;
    }

private:
    const Schedule& schedule_;
    std::vector<std::int64_t> times_;
    float eta_;
    const std::function<at::Tensor(int)>& noise_;
};

/// Lu et al. 2022, algorithm 2 (multistep, midpoint), final sigma zero.
class DpmSolverPp2M final : public Stepper {
public:
    DpmSolverPp2M(const Schedule& schedule, const std::vector<std::int64_t>& times)
        : schedule_(schedule)
    {
        for (std::int64_t t : times) {
            const float a = schedule.alpha_cumprod(t);
            levels_.push_back(level_of(std::sqrt((1.0f - a) / a)));
        }
        levels_.push_back({.alpha = 1.0f, .sigma = 0.0f, .lambda = INFINITY});
    }

    at::Tensor step(int index, const at::Tensor& x, const at::Tensor& output) override
    {
        const auto i = static_cast<std::size_t>(index);
        const Level &now = levels_[i], &next = levels_[i + 1];
        at::Tensor x0 =
            interpret(schedule_.options().prediction_type, x, output, now.alpha, now.sigma).x0;
        const at::Tensor earlier = std::exchange(earlier_, x0);
        if (i + 2 == levels_.size()) // first order with h = infinity
            return x0;
        const float h = next.lambda - now.lambda;
        const float factor = next.alpha * (std::exp(-h) - 1.0f);
        at::Tensor out = x * (next.sigma / now.sigma) - x0 * factor;
        if (i > 0) {
            const float r = (now.lambda - levels_[i - 1].lambda) / h;
            out = out - (x0 - earlier) * (1.0f / r) * (0.5f * factor);
        }
        return out;
    }

private:
    struct Level {
        float alpha, sigma, lambda;
    };

    static Level level_of(float ratio)
    {
        const float alpha = 1.0f / std::sqrt(ratio * ratio + 1.0f), sigma = ratio * alpha;
        return {.alpha = alpha, .sigma = sigma, .lambda = std::log(alpha) - std::log(sigma)};
    }

    const Schedule& schedule_;
    std::vector<Level> levels_; // one per step, and the end
    at::Tensor earlier_;        // x0 of the step before
};

} // namespace

Result<std::vector<std::int64_t>> timesteps(const Schedule& schedule, const SamplerOptions& options)
{
    const std::int64_t total = schedule.num_train_timesteps();
    if (options.steps < 1 || options.steps > total)
        return fail(ErrorCode::InvalidArgument,
                    "sampling takes 1 to " + std::to_string(total) + " steps, not "
                        + std::to_string(options.steps));
    std::vector<std::int64_t> out = ascending(schedule, options.kind, options.steps);
    std::ranges::reverse(out);
    if (out.front() >= total || out.back() < 0)
        return fail(ErrorCode::InvalidArgument,
                    std::to_string(options.steps) + " steps do not fit the schedule's steps_offset",
                    "take fewer steps");
    return out;
}

Result<at::Tensor> sample(const Schedule& schedule, const SamplerOptions& options,
                          const Denoiser& denoiser, at::Tensor x,
                          const std::function<at::Tensor(int step)>& step_noise,
                          std::stop_token stop,
                          const std::function<void(int done, int total)>& progress)
{
    if (!(options.eta >= 0.0 && options.eta <= 1.0))
        return fail(ErrorCode::InvalidArgument, "eta must be between 0 and 1");
    VELAMEN_ASSIGN(const std::vector<std::int64_t> times, timesteps(schedule, options));
    const bool is_ddim = options.kind == SamplerKind::Ddim;
    if (is_ddim && options.eta > 0.0 && !step_noise)
        return fail(ErrorCode::Internal, "sampling with eta above 0 needs a source of noise");
    try {
        const at::NoGradGuard no_grad;
        std::unique_ptr<Stepper> stepper;
        if (is_ddim)
            stepper = std::make_unique<Ddim>(schedule, times, static_cast<float>(options.eta),
                                             step_noise);
        else
            stepper = std::make_unique<DpmSolverPp2M>(schedule, times);
        const int total = static_cast<int>(times.size());
        for (int i = 0; i < total; ++i) {
            if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "sampling was stopped");
            const at::Tensor t =
                at::full({x.size(0)}, static_cast<double>(times[static_cast<std::size_t>(i)]),
                         x.options().dtype(at::kFloat));
            x = stepper->step(i, x, denoiser(x, t));
            if (progress) progress(i + 1, total);
        }
        return x;
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "sampling ran out of memory", "draw fewer at a time");
    } catch (const std::exception& e) {
        return fail(ErrorCode::Internal, std::string("sampling failed: ") + e.what());
    }
}

} // namespace velamen::diffusion
