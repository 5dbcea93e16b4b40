// SPDX-License-Identifier: GPL-3.0-or-later
//
// torch's fused kernel over all tensors at once.

#include "engine/train/public/adamw.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace velamen::train {

AdamW::AdamW(NamedTensors parameters, const AdamWOptions& options)
    : parameters_(std::move(parameters)), options_(options)
{
    for (const auto& [name, tensor] : parameters_) {
        first_.push_back(at::zeros_like(tensor.detach()));
        second_.push_back(at::zeros_like(tensor.detach()));
        steps_.push_back(at::zeros({}, at::kFloat));
    }
}

void AdamW::zero_gradients()
{
    for (auto& [name, tensor] : parameters_)
        tensor.mutable_grad().reset();
}

double AdamW::step(double learning_rate)
{
    const c10::NoGradGuard guard;
    std::vector<at::Tensor> values, gradients, first, second, steps;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const at::Tensor& value = parameters_[i].second;
        if (!value.grad().defined()) // not reached by the loss
            continue;
        values.push_back(value);
        gradients.push_back(value.grad().contiguous());
        first.push_back(first_[i]);
        second.push_back(second_[i]);
        steps.push_back(steps_[i]);
    }
    double square = 0.0;
    for (const at::Tensor& norm : at::_foreach_norm(gradients, 2)) {
        const double value = norm.item<double>();
        square += value * value;
    }
    const double norm = std::sqrt(square);
    if (norm > options_.max_gradient_norm)
        at::_foreach_mul_(gradients, options_.max_gradient_norm / norm);
    at::_foreach_add_(steps, 1.0);
    at::_fused_adamw_(values, gradients, first, second, {}, steps, learning_rate, options_.beta1,
                      options_.beta2, options_.weight_decay, options_.epsilon, false, false);
    return norm;
}

NamedTensors AdamW::state() const
{
    NamedTensors all;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const std::string& name = parameters_[i].first;
        all.emplace_back("first/" + name, first_[i]);
        all.emplace_back("second/" + name, second_[i]);
        all.emplace_back("steps/" + name, steps_[i]);
    }
    return all;
}

} // namespace velamen::train
