// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/group_norm.h"

#include <memory>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "engine/dpsgd/grad_rules/autograd.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/kernel_calls.h"

namespace velamen::dpsgd {

namespace {

struct GroupNormFunction : torch::autograd::Function<GroupNormFunction> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              std::int64_t groups, const at::Tensor& weight,
                              const std::optional<at::Tensor>& bias, double eps,
                              const Report& report)
    {
        save_report(context, report);
        context->saved_data["groups"] = groups;
        const at::Tensor input = x.contiguous(x.suggest_memory_format());
        const std::int64_t n = x.size(0), c = x.size(1);
        const std::int64_t area = n * c == 0 ? 0 : x.numel() / (n * c);
        const at::Tensor scale = norm_parameter(x, weight);
        const auto [out, mean, rstd] =
            at::native_group_norm(input, scale, norm_parameter(x, bias), n, c, area, groups, eps);
        context->save_for_backward({input, scale, mean, rstd});
        return out;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list grads)
    {
        const auto saved = context->get_saved_variables();
        const Report report = load_report(context);
        const std::int64_t groups = context->saved_data["groups"].toInt();
        const at::Tensor x = saved[0].detach(), weight = saved[1].detach();
        const at::Tensor grad = grads[0].contiguous(x.suggest_memory_format());
        const std::int64_t n = x.size(0), c = x.size(1);
        const std::int64_t area = n * c == 0 ? 0 : x.numel() / (n * c);
        at::Tensor input_grad;
        if (context->needs_input_grad(0))
            input_grad = std::get<0>(at::native_group_norm_backward(
                grad, x, saved[2], saved[3], weight, n, c, area, groups, {true, false, false}));
        // sum (g x_hat) = (sum (g x) - mean sum g) rstd, mean and rstd being one per group.
        const at::Tensor ones = at::ones({n, area}, x.options().dtype(at::kFloat));
        const auto rows = [](const at::Tensor& map) { // [N, area, C]
            return map.to(at::kFloat).flatten(2).transpose(1, 2).contiguous();
        };
        const auto [products, bias_rows] =
            layer_norm_sums(rows(x), rows(grad), at::zeros_like(ones), ones);
        const auto by_group = [&](const at::Tensor& t) {
            return t.to(at::kFloat).reshape({n, groups, -1});
        };
        at::Tensor weight_rows = by_group(products)
                                     .addcmul(by_group(saved[2]), by_group(bias_rows), -1.0)
                                     .mul_(by_group(saved[3]))
                                     .view({n, c});
        report.tape->push(
            std::make_unique<RowGradRecord>(report.slots, std::move(weight_rows), bias_rows));
        return {input_grad, {}, {}, {}, {}, {}};
    }
};

} // namespace

at::Tensor taped_group_norm(GradTape& tape, Slots slots, const at::Tensor& x, std::int64_t groups,
                            const at::Tensor& weight, const at::Tensor& bias, double eps)
{
    return GroupNormFunction::apply(x, groups, weight, nn::optional_of(bias), eps,
                                    Report{&tape, slots});
}

} // namespace velamen::dpsgd
