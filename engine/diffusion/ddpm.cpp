// SPDX-License-Identifier: GPL-3.0-or-later

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "engine/diffusion/stepper.h"

namespace velamen::diffusion {

namespace {

class Ddpm final : public Stepper {
public:
    explicit Ddpm(StepperParts parts) : parts_(std::move(parts)) {}

    at::Tensor step(int index, const at::Tensor& x, const at::Tensor& output) override
    {
        const Schedule& schedule = parts_.schedule;
        const ScheduleOptions& o = schedule.options();
        const auto at_index = static_cast<std::size_t>(index);
        const auto t = static_cast<std::int64_t>(parts_.times[at_index]);
        const double a = schedule.alpha_cumprod(t);
        const double a_before = at_index + 1 < parts_.times.size()
            ? schedule.alpha_cumprod(static_cast<std::int64_t>(parts_.times[at_index + 1]))
            : 1.0;
        const double own_alpha = a / a_before, own_beta = 1.0 - own_alpha;
        at::Tensor x0 =
            interpret(o.prediction_type, x, output, std::sqrt(a), std::sqrt(1.0 - a)).x0;
        if (o.clip_sample) x0 = x0.clamp(-o.clip_sample_range, o.clip_sample_range);
        const double of_x0 = std::sqrt(a_before) * own_beta / (1.0 - a);
        const double of_x = std::sqrt(own_alpha) * (1.0 - a_before) / (1.0 - a);
        const at::Tensor mean = x0 * of_x0 + x * of_x;
        if (t == 0) return mean;
        const double variance = std::max(1e-20, (1.0 - a_before) / (1.0 - a) * own_beta);
        return mean + parts_.noise(index) * std::sqrt(variance);
    }

private:
    StepperParts parts_;
};

} // namespace

std::unique_ptr<Stepper> make_ddpm(StepperParts parts)
{
    return std::make_unique<Ddpm>(std::move(parts));
}

} // namespace velamen::diffusion
