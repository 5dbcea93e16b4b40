// SPDX-License-Identifier: GPL-3.0-or-later
//
// What all gradient rules need of autograd: the tape and the slots inside a function's context.

#pragma once

#include <cstdint>
#include <optional>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/dpsgd/grad_rules/record.h"
#include "engine/nn/layers/optional_of.h"

namespace velamen::dpsgd {

/// Where a function's backward pass reports. The tape is borrowed and outlives the pass.
struct Report {
    GradTape* tape = nullptr;
    Slots slots;
};

inline void save_report(torch::autograd::AutogradContext* context, const Report& report)
{
    context->saved_data["tape"] = reinterpret_cast<std::int64_t>(report.tape);
    context->saved_data["weight"] = report.slots.weight;
    context->saved_data["bias"] = report.slots.bias;
}

inline Report load_report(torch::autograd::AutogradContext* context)
{
    return {reinterpret_cast<GradTape*>(context->saved_data["tape"].toInt()),
            {context->saved_data["weight"].toInt(), context->saved_data["bias"].toInt()}};
}

/// A parameter of a norm in the type with which torch keeps mean and deviation in fp32 when the
/// activations are bf16.
inline at::Tensor norm_parameter(const at::Tensor& x, const at::Tensor& parameter)
{
    return parameter.to(x.is_cuda() ? x.scalar_type() : at::kFloat);
}

inline std::optional<at::Tensor> norm_parameter(const at::Tensor& x,
                                                const std::optional<at::Tensor>& parameter)
{
    return parameter ? std::optional(norm_parameter(x, *parameter)) : std::nullopt;
}

} // namespace velamen::dpsgd
