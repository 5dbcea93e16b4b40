// SPDX-License-Identifier: GPL-3.0-or-later
//
// Forward diffusion and training targets.

#include "engine/diffusion/target.h"

#include <utility>
#include <vector>

#include <ATen/ATen.h>

namespace velamen::diffusion {

namespace {

/// sqrt(a_t) and sqrt(1 - a_t), shaped to multiply `like`.
std::pair<at::Tensor, at::Tensor> weights(const Schedule& schedule, const at::Tensor& like,
                                          const at::Tensor& t)
{
    std::vector<std::int64_t> shape(static_cast<std::size_t>(like.dim()), 1);
    shape.front() = t.size(0);
    const at::Tensor a = schedule.alphas_cumprod().to(like.device()).index_select(0, t).view(shape);
    return {a.sqrt(), (1.0 - a).sqrt()};
}

} // namespace

at::Tensor add_noise(const Schedule& schedule, const at::Tensor& x0, const at::Tensor& noise,
                     const at::Tensor& t)
{
    const auto [signal, sigma] = weights(schedule, x0, t);
    return signal * x0 + sigma * noise;
}

at::Tensor target(const Schedule& schedule, const at::Tensor& x0, const at::Tensor& noise,
                  const at::Tensor& t)
{
    switch (schedule.options().prediction_type) {
    case PredictionType::Epsilon:
        return noise;
    case PredictionType::Sample:
        return x0;
    case PredictionType::VPrediction:
        break;
    }
    const auto [signal, sigma] = weights(schedule, x0, t);
    return signal * noise - sigma * x0;
}

} // namespace velamen::diffusion
