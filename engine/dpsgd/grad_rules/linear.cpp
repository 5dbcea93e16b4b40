// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/linear.h"

#include <memory>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "engine/dpsgd/grad_rules/autograd.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/kernel_calls.h"
#include "engine/nn/layers/channels_last.h"
#include "engine/nn/layers/precision.h"

namespace velamen::dpsgd {

namespace {

/// A gradient that is formed for its norm is kept for the sum when it is not larger than what it is
/// formed from.
bool is_kept_formed(const at::Tensor& a, const at::Tensor& g)
{
    const std::int64_t tokens = a.size(1), d = a.size(2), p = g.size(2);
    return tokens > 1 && p * d <= tokens * (p + d);
}

class LinearRecord final : public GradRecord {
public:
    LinearRecord(Slots slots, at::Tensor input, at::Tensor output_grad)
        : GradRecord(slots), input_(std::move(input)), grad_(std::move(output_grad)),
          rows_(input_.size(0))
    {
    }

    std::int64_t rows() const override { return rows_; }

    void add_squared_norms(Role role, std::int64_t units, GramCache& cache,
                           const at::Tensor& squared) override
    {
        if (role == Role::Bias) {
            squared.add_(row_squares(bias_of(units)));
            return;
        }
        if (formed_.defined()) {
            squared.add_(row_squares(formed_));
            return;
        }
        const at::Tensor a = tokens(input_, units), g = tokens(grad_, units);
        if (cache.path != NormPath::Cheaper || !is_kept_formed(a, g)) {
            squared.add_(product_squared_norms(a, g, cache));
            return;
        }
        if (slots().bias >= 0) bias_of(units);
        formed_ = products(a, g).flatten(1);
        input_.reset();
        grad_.reset();
        squared.add_(row_squares(formed_));
    }

    at::Tensor unit_gradients(Role role, std::int64_t units, std::int64_t first,
                              std::int64_t count) override
    {
        if (role == Role::Bias) return bias_of(units).narrow(0, first, count);
        if (formed_.defined()) return formed_.narrow(0, first, count);
        return products(tokens(input_, units).narrow(0, first, count),
                        tokens(grad_, units).narrow(0, first, count))
            .flatten(1);
    }

    void add_weighted(Role role, const at::Tensor& factors, const at::Tensor& sum) override
    {
        if (role == Role::Bias)
            weighted_accumulate(bias_of(factors.size(0)), factors, sum);
        else if (formed_.defined())
            sum.view({-1}).addmv_(formed_.t(), factors);
        else {
            const auto [a, g] = weighted_factors(factors);
            sum.flatten(1).addmm_(g.t(), a);
        }
    }

    at::Tensor weighted(Role role, const at::Tensor& factors) override
    {
        if (role == Role::Bias) return at::mv(bias_of(factors.size(0)).t(), factors);
        if (formed_.defined())
            return factors.size(0) == 1 ? formed_.mul_(factors) : at::mv(formed_.t(), factors);
        const auto [a, g] = weighted_factors(factors);
        return at::mm(g.t(), a);
    }

    void clear_units(std::int64_t units, const at::Tensor& indices) override
    {
        for (at::Tensor* tensor : {&input_, &grad_, &formed_, &bias_})
            if (tensor->defined()) *tensor = without_units(*tensor, units, indices);
    }

private:
    /// [units, tokens of a unit, width] fp32
    static at::Tensor tokens(const at::Tensor& x, std::int64_t units)
    {
        return x.to(at::kFloat).reshape({units, -1, x.size(-1)});
    }

    /// Rows of activations and of gradients, the narrower of them scaled by its unit's factor.
    std::pair<at::Tensor, at::Tensor> weighted_factors(const at::Tensor& factors) const
    {
        const std::int64_t units = factors.size(0);
        at::Tensor a = tokens(input_, units), g = tokens(grad_, units);
        at::Tensor& narrow = a.size(2) < g.size(2) ? a : g;
        narrow = narrow.mul(factors.view({units, 1, 1}));
        return {a.flatten(0, 1), g.flatten(0, 1)};
    }

    const at::Tensor& bias_of(std::int64_t units) // [units, out]
    {
        if (!bias_.defined()) bias_ = tokens(grad_, units).sum(1);
        return bias_;
    }

    at::Tensor input_; // [N, ..., in]
    at::Tensor grad_;  // [N, ..., out]
    at::Tensor bias_;
    at::Tensor formed_; // [units, out in], then input and gradient are gone
    std::int64_t rows_;
};

/// [N, ..., out] and [out, in] or [out, in, 1, 1]  ->  [N, ..., in]
at::Tensor input_grad_of(const at::Tensor& grad, const at::Tensor& weight)
{
    return nn::affine(grad, nn::in_type_of(grad, weight.detach()).flatten(1).t(), {});
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                              const Report& report)
    {
        save_report(context, report);
        context->save_for_backward({x, weight});
        return nn::affine(x, nn::in_type_of(x, weight).flatten(1),
                          nn::in_type_of(x, bias.value_or(at::Tensor{})));
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list grads)
    {
        const auto saved = context->get_saved_variables();
        const Report report = load_report(context);
        const at::Tensor input_grad =
            context->needs_input_grad(0) ? input_grad_of(grads[0], saved[1]) : at::Tensor{};
        report.tape->push(
            std::make_unique<LinearRecord>(report.slots, saved[0].detach(), grads[0]));
        return {input_grad, {}, {}, {}};
    }
};

} // namespace

at::Tensor taped_linear(GradTape& tape, Slots slots, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& bias)
{
    return LinearFunction::apply(x, weight, nn::optional_of(bias), Report{&tape, slots});
}

} // namespace velamen::dpsgd
