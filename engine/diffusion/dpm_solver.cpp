// SPDX-License-Identifier: GPL-3.0-or-later

#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "engine/diffusion/stepper.h"

namespace velamen::diffusion {

namespace {

class DpmSolver final : public Stepper {
public:
    DpmSolver(StepperParts parts, bool is_sde) : parts_(std::move(parts)), is_sde_(is_sde)
    {
        for (const float t : parts_.times)
            levels_.push_back(level_of(parts_.schedule.noise_ratio(t)));
        levels_.push_back({.alpha = 1.0, .sigma = 0.0, .lambda = INFINITY});
    }

    at::Tensor step(int index, const at::Tensor& x, const at::Tensor& output) override
    {
        const auto i = static_cast<std::size_t>(index);
        const Level &now = levels_[i], &next = levels_[i + 1];
        const at::Tensor x0 =
            interpret(parts_.schedule.options().prediction_type, x, output, now.alpha, now.sigma)
                .x0;
        const at::Tensor earlier = std::exchange(earlier_, x0);
        if (i + 2 == levels_.size()) // first order with h = infinity: neither x nor noise is left
            return x0;
        const double h = next.lambda - now.lambda;
        const double forgotten = is_sde_ ? std::exp(-2.0 * h) : std::exp(-h);
        const double factor = next.alpha * (1.0 - forgotten);
        const double kept = next.sigma / now.sigma * (is_sde_ ? std::exp(-h) : 1.0);
        at::Tensor out = x * kept + x0 * factor;
        if (i > 0) {
            const double r = (now.lambda - levels_[i - 1].lambda) / h;
            out = out + (x0 - earlier) * (1.0 / r) * (0.5 * factor);
        }
        if (is_sde_) out = out + parts_.noise(index) * (next.sigma * std::sqrt(1.0 - forgotten));
        return out;
    }

private:
    struct Level {
        double alpha, sigma, lambda;
    };

    static Level level_of(double ratio)
    {
        const double alpha = 1.0 / std::sqrt(ratio * ratio + 1.0), sigma = ratio * alpha;
        return {.alpha = alpha, .sigma = sigma, .lambda = std::log(alpha) - std::log(sigma)};
    }

    StepperParts parts_;
    bool is_sde_;
    std::vector<Level> levels_; // one per step, and the end
    at::Tensor earlier_;        // x0 of the step before
};

} // namespace

std::unique_ptr<Stepper> make_dpm_solver(StepperParts parts, bool is_sde)
{
    return std::make_unique<DpmSolver>(std::move(parts), is_sde);
}

} // namespace velamen::diffusion
