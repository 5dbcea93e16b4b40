// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/linear.h"

#include <memory>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "engine/dpsgd/grad_rules/autograd.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/kernel_calls.h"

namespace velamen::dpsgd {

namespace {

class LinearRecord final : public GradRecord {
public:
    LinearRecord(Slots slots, at::Tensor input, at::Tensor output_grad)
        : GradRecord(slots), input_(std::move(input)), grad_(std::move(output_grad))
    {
    }

    std::int64_t rows() const override { return input_.size(0); }

    void add_squared_norms(Role role, std::int64_t units, GramCache& cache,
                           const at::Tensor& squared) override
    {
        squared.add_(role == Role::Weight
                         ? product_squared_norms(tokens(input_, units), tokens(grad_, units), cache)
                         : row_squares(bias_of(units)));
    }

    at::Tensor unit_gradients(Role role, std::int64_t units, std::int64_t first,
                              std::int64_t count) override
    {
        if (role == Role::Bias) return bias_of(units).narrow(0, first, count);
        return products(tokens(input_, units).narrow(0, first, count),
                        tokens(grad_, units).narrow(0, first, count))
            .flatten(1);
    }

    void add_weighted(Role role, const at::Tensor& factors, const at::Tensor& sum) override
    {
        const std::int64_t units = factors.size(0);
        if (role == Role::Bias) {
            weighted_accumulate(bias_of(units), factors, sum);
            return;
        }
        at::Tensor a = tokens(input_, units);
        at::Tensor g = tokens(grad_, units);
        const at::Tensor c = factors.view({units, 1, 1});
        (a.size(2) < g.size(2) ? a : g) = (a.size(2) < g.size(2) ? a : g).mul(c);
        sum.addmm_(g.flatten(0, 1).t(), a.flatten(0, 1));
    }

    void clear_units(std::int64_t units, const at::Tensor& indices) override
    {
        input_ = without_units(input_, units, indices);
        grad_ = without_units(grad_, units, indices);
        if (bias_.defined()) bias_ = without_units(bias_, units, indices);
    }

private:
    /// [units, tokens of a unit, width] fp32
    static at::Tensor tokens(const at::Tensor& x, std::int64_t units)
    {
        return x.to(at::kFloat).reshape({units, -1, x.size(-1)});
    }

    const at::Tensor& bias_of(std::int64_t units) // [units, out]
    {
        if (!bias_.defined()) bias_ = tokens(grad_, units).sum(1);
        return bias_;
    }

    at::Tensor input_; // [N, ..., in]
    at::Tensor grad_;  // [N, ..., out]
    at::Tensor bias_;
};

struct LinearFunction : torch::autograd::Function<LinearFunction> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                              const Report& report)
    {
        save_report(context, report);
        context->save_for_backward({x, weight});
        return at::linear(x, as_type_of(x, weight), as_type_of(x, bias));
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list grads)
    {
        const auto saved = context->get_saved_variables();
        const Report report = load_report(context);
        const at::Tensor input_grad = context->needs_input_grad(0)
            ? grads[0].matmul(as_type_of(grads[0], saved[1]))
            : at::Tensor{};
        report.tape->push(
            std::make_unique<LinearRecord>(report.slots, saved[0].detach(), grads[0]));
        return {input_grad, {}, {}, {}};
    }
};

} // namespace

at::Tensor taped_linear(GradTape& tape, Slots slots, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& bias)
{
    return LinearFunction::apply(x, weight, optional_bias(bias), Report{&tape, slots});
}

} // namespace velamen::dpsgd
