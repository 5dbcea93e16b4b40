// SPDX-License-Identifier: GPL-3.0-or-later
//
// The gate of the feed-forward. Its backward pass needs the input alone.

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/layers/attention.h"

namespace velamen::nn {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Halves {
    at::Tensor value, gate;
    explicit Halves(const at::Tensor& both)
        : value(both.narrow(-1, 0, both.size(-1) / 2)),
          gate(both.narrow(-1, both.size(-1) / 2, both.size(-1) / 2))
    {
    }
};

at::Tensor gated(const at::Tensor& both)
{
    const Halves x(both);
    return at::gelu(x.gate).mul_(x.value);
}

struct GegluFunction : torch::autograd::Function<GegluFunction> {
    static at::Tensor forward(AutogradContext* context, const at::Tensor& both)
    {
        context->save_for_backward({both});
        return gated(both);
    }

    static variable_list backward(AutogradContext* context, variable_list grads)
    {
        const at::Tensor both = context->get_saved_variables()[0].detach();
        const at::Tensor out = at::empty_like(both);
        const Halves x(both);
        Halves grad(out);
        at::mul_out(grad.gate, grads[0], x.value);
        at::gelu_backward_out(grad.gate, grad.gate, x.gate);
        at::gelu_out(grad.value, x.gate);
        grad.value.mul_(grads[0]);
        return {out};
    }
};

} // namespace

at::Tensor geglu(const at::Tensor& halves)
{
    return at::GradMode::is_enabled() ? GegluFunction::apply(halves) : gated(halves);
}

} // namespace velamen::nn
