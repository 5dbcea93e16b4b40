// SPDX-License-Identifier: GPL-3.0-or-later
//
// In the scale where the noise grows and the image stays: x = x0 + sigma eps.

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "engine/diffusion/stepper.h"

namespace velamen::diffusion {

namespace {

class Euler final : public Stepper {
public:
    Euler(StepperParts parts, bool is_ancestral)
        : parts_(std::move(parts)), is_ancestral_(is_ancestral)
    {
        for (const float t : parts_.times)
            sigmas_.push_back(parts_.schedule.noise_ratio(t));
        sigmas_.push_back(0.0);
    }

    double initial_scale() const override
    {
        const double most = sigmas_.front();
        return parts_.schedule.options().timestep_spacing == TimestepSpacing::Leading
            ? std::sqrt(most * most + 1.0)
            : most;
    }

    at::Tensor input(int index, const at::Tensor& x) const override
    {
        const double sigma = sigmas_[static_cast<std::size_t>(index)];
        return x / std::sqrt(sigma * sigma + 1.0);
    }

    at::Tensor step(int index, const at::Tensor& x, const at::Tensor& output) override
    {
        const auto i = static_cast<std::size_t>(index);
        const double sigma = sigmas_[i], next = sigmas_[i + 1];
        const at::Tensor slope = (x - denoised(x, output, sigma)) / sigma;
        if (!is_ancestral_) return x + slope * (next - sigma);
        const double back =
            std::sqrt(next * next * (sigma * sigma - next * next) / (sigma * sigma));
        const double down = std::sqrt(next * next - back * back);
        return x + slope * (down - sigma) + parts_.noise(index) * back;
    }

private:
    at::Tensor denoised(const at::Tensor& x, const at::Tensor& output, double sigma) const
    {
        const double square = sigma * sigma + 1.0;
        switch (parts_.schedule.options().prediction_type) {
        case PredictionType::Epsilon:
            return x - output * sigma;
        case PredictionType::Sample:
            return output;
        case PredictionType::VPrediction:
            break;
        }
        return output * (-sigma / std::sqrt(square)) + x / square;
    }

    StepperParts parts_;
    bool is_ancestral_;
    std::vector<double> sigmas_; // one per step, and the end
};

} // namespace

std::unique_ptr<Stepper> make_euler(StepperParts parts, bool is_ancestral)
{
    return std::make_unique<Euler>(std::move(parts), is_ancestral);
}

} // namespace velamen::diffusion
