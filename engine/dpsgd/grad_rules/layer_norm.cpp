// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/layer_norm.h"

#include <memory>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "engine/dpsgd/grad_rules/autograd.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/kernel_calls.h"

namespace velamen::dpsgd {

namespace {

struct LayerNormFunction : torch::autograd::Function<LayerNormFunction> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                              double eps, const Report& report)
    {
        save_report(context, report);
        const at::Tensor input = x.contiguous();
        const at::Tensor scale = norm_parameter(x, weight);
        const auto [out, mean, rstd] =
            at::native_layer_norm(input, weight.sizes(), scale, norm_parameter(x, bias), eps);
        context->save_for_backward({input, scale, mean, rstd});
        return out;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list grads)
    {
        const auto saved = context->get_saved_variables();
        const Report report = load_report(context);
        const at::Tensor x = saved[0].detach(), weight = saved[1].detach();
        const at::Tensor grad = grads[0].contiguous();
        at::Tensor input_grad;
        if (context->needs_input_grad(0))
            input_grad = std::get<0>(at::native_layer_norm_backward(
                grad, x, weight.sizes(), saved[2], saved[3], weight, {}, {true, false, false}));
        const std::int64_t rows = x.size(0), width = weight.size(0);
        const auto as_rows = [&](const at::Tensor& t, std::int64_t last) {
            return t.to(at::kFloat).reshape({rows, -1, last});
        };
        auto [weight_rows, bias_rows] =
            layer_norm_sums(as_rows(x, width), as_rows(grad, width),
                            as_rows(saved[2], 1).contiguous(), as_rows(saved[3], 1).contiguous());
        report.tape->push(std::make_unique<RowGradRecord>(report.slots, std::move(weight_rows),
                                                          std::move(bias_rows)));
        return {input_grad, {}, {}, {}, {}};
    }
};

} // namespace

at::Tensor taped_layer_norm(GradTape& tape, Slots slots, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, double eps)
{
    return LayerNormFunction::apply(x, weight, nn::optional_of(bias), eps, Report{&tape, slots});
}

} // namespace velamen::dpsgd
