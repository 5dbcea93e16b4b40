// SPDX-License-Identifier: GPL-3.0-or-later

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "engine/diffusion/stepper.h"

namespace velamen::diffusion {

namespace {

class Ddim final : public Stepper {
public:
    Ddim(StepperParts parts, double eta) : parts_(std::move(parts)), eta_(eta) {}

    at::Tensor step(int index, const at::Tensor& x, const at::Tensor& output) override
    {
        const Schedule& schedule = parts_.schedule;
        const ScheduleOptions& o = schedule.options();
        const auto t = static_cast<std::int64_t>(parts_.times[static_cast<std::size_t>(index)]);
        const std::int64_t before =
            t - o.num_train_timesteps / static_cast<std::int64_t>(parts_.times.size());
        const double a = schedule.alpha_cumprod(t);
        const double a_before = before >= 0 ? schedule.alpha_cumprod(before)
            : o.set_alpha_to_one            ? 1.0
                                            : schedule.alpha_cumprod(0);
        auto [x0, eps] = interpret(o.prediction_type, x, output, std::sqrt(a), std::sqrt(1.0 - a));
        if (o.clip_sample) // eps is not computed again, as in diffusers
            x0 = x0.clamp(-o.clip_sample_range, o.clip_sample_range);
        const double variance = std::max(0.0, (1.0 - a_before) / (1.0 - a) * (1.0 - a / a_before));
        const double deviation = eta_ * std::sqrt(variance);
        const double direction = std::sqrt(std::max(0.0, 1.0 - a_before - deviation * deviation));
        at::Tensor next = x0 * std::sqrt(a_before) + eps * direction;
        if (eta_ > 0.0) next = next + parts_.noise(index) * deviation;
        return next;
    }

private:
    StepperParts parts_;
    double eta_;
};

} // namespace

std::unique_ptr<Stepper> make_ddim(StepperParts parts, double eta)
{
    return std::make_unique<Ddim>(std::move(parts), eta);
}

} // namespace velamen::diffusion
