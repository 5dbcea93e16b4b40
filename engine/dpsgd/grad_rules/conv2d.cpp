// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/conv2d.h"

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "engine/dpsgd/grad_rules/autograd.h"
#include "engine/dpsgd/grad_rules/linear.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/kernel_calls.h"
#include "engine/nn/layers/channels_last.h"
#include "engine/nn/layers/precision.h"

namespace velamen::dpsgd {

namespace {

struct ConvShape {
    std::int64_t kernel_height = 1;
    std::int64_t kernel_width = 1;
    Extent stride{1, 1};
    Extent padding{0, 0};
};

std::tuple<at::Tensor, at::Tensor, at::Tensor>
conv_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight,
              const ConvShape& shape, std::array<bool, 3> wanted)
{
    return at::convolution_backward(grad, x, weight, at::OptionalIntArrayRef{}, shape.stride,
                                    shape.padding, {1, 1}, false, {0, 0}, 1, wanted);
}

class ConvRecord final : public GradRecord {
public:
    ConvRecord(Slots slots, at::Tensor input, at::Tensor output_grad, at::Tensor weight,
               ConvShape shape)
        : GradRecord(slots), input_(std::move(input)), grad_(std::move(output_grad)),
          weight_(std::move(weight)), shape_(shape)
    {
    }

    std::int64_t rows() const override { return input_.size(0); }

    void add_squared_norms(Role role, std::int64_t units, GramCache& cache,
                           const at::Tensor& squared) override
    {
        squared.add_(role == Role::Weight ? product_squared_norms(inputs(units, 0, units),
                                                                  grads(units, 0, units), cache)
                                          : row_squares(bias_of(units)));
    }

    at::Tensor unit_gradients(Role role, std::int64_t units, std::int64_t first,
                              std::int64_t count) override
    {
        if (role == Role::Bias) return bias_of(units).narrow(0, first, count);
        return products(inputs(units, first, count), grads(units, first, count)).flatten(1);
    }

    void add_weighted(Role role, const at::Tensor& factors, const at::Tensor& sum) override
    {
        const std::int64_t units = factors.size(0);
        if (role == Role::Bias) {
            weighted_accumulate(bias_of(units), factors, sum);
            return;
        }
        sum.add_(weighted(role, factors).view_as(sum));
    }

    at::Tensor weighted(Role role, const at::Tensor& factors) override
    {
        const std::int64_t units = factors.size(0);
        if (role == Role::Bias) return at::mv(bias_of(units).t(), factors);
        const at::Tensor rows = factors.repeat_interleave(input_.size(0) / units);
        const at::Tensor scaled = grad_.to(at::kFloat).mul(rows.view({-1, 1, 1, 1}));
        return std::get<1>(conv_backward(scaled, input_.to(at::kFloat), weight_.to(at::kFloat),
                                         shape_, {false, true, false}))
            .contiguous();
    }

    void clear_units(std::int64_t units, const at::Tensor& indices) override
    {
        input_ = without_units(input_, units, indices);
        grad_ = without_units(grad_, units, indices);
        if (bias_.defined()) bias_ = without_units(bias_, units, indices);
    }

private:
    /// [rows, D, L] of all rows of a unit, side by side  ->  [count, tokens of a unit, D]
    static at::Tensor tokens(const at::Tensor& x, std::int64_t rows_per_unit)
    {
        if (rows_per_unit == 1) return x.transpose(1, 2);
        return x.transpose(1, 2).reshape({x.size(0) / rows_per_unit, -1, x.size(1)});
    }

    at::Tensor inputs(std::int64_t units, std::int64_t first, std::int64_t count) const
    {
        const std::int64_t k = input_.size(0) / units;
        const at::Tensor x = input_.narrow(0, first * k, count * k).to(at::kFloat);
        const at::Tensor columns = at::im2col(x, {shape_.kernel_height, shape_.kernel_width},
                                              {1, 1}, shape_.padding, shape_.stride);
        return tokens(columns, k);
    }

    at::Tensor grads(std::int64_t units, std::int64_t first, std::int64_t count) const
    {
        const std::int64_t k = grad_.size(0) / units;
        return tokens(grad_.narrow(0, first * k, count * k).to(at::kFloat).flatten(2), k);
    }

    const at::Tensor& bias_of(std::int64_t units) // [units, out]
    {
        if (!bias_.defined())
            bias_ = grad_.to(at::kFloat).flatten(2).sum(2).view({units, -1, grad_.size(1)}).sum(1);
        return bias_;
    }

    at::Tensor input_;  // [N, in, H, W]
    at::Tensor grad_;   // [N, out, H', W']
    at::Tensor weight_; // its shape is asked for; values are not used
    ConvShape shape_;
    at::Tensor bias_;
};

struct ConvFunction : torch::autograd::Function<ConvFunction> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                              Extent stride, Extent padding, const Report& report)
    {
        save_report(context, report);
        context->saved_data["stride"] = std::vector<std::int64_t>(stride.begin(), stride.end());
        context->saved_data["padding"] = std::vector<std::int64_t>(padding.begin(), padding.end());
        context->save_for_backward({x, weight});
        return at::conv2d(x, nn::in_type_of(x, weight),
                          nn::in_type_of(x, bias.value_or(at::Tensor{})), stride, padding);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list grads)
    {
        const auto saved = context->get_saved_variables();
        const Report report = load_report(context);
        const at::Tensor weight = saved[1].detach();
        const auto extent = [&](const char* name) {
            const std::vector<std::int64_t> both = context->saved_data[name].toIntVector();
            return Extent{both[0], both[1]};
        };
        const ConvShape shape{weight.size(2), weight.size(3), extent("stride"), extent("padding")};
        at::Tensor input_grad;
        if (context->needs_input_grad(0))
            input_grad = std::get<0>(conv_backward(
                grads[0], saved[0], nn::in_type_of(grads[0], weight), shape, {true, false, false}));
        report.tape->push(
            std::make_unique<ConvRecord>(report.slots, saved[0].detach(), grads[0], weight, shape));
        return {input_grad, {}, {}, {}, {}, {}};
    }
};

} // namespace

at::Tensor taped_conv2d(GradTape& tape, Slots slots, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& bias, Extent stride, Extent padding)
{
    if (weight.size(2) == 1 && weight.size(3) == 1 && stride == Extent{1, 1}
        && padding == Extent{0, 0})
        return nn::map_of(taped_linear(tape, slots, nn::tokens_of(x), weight, bias), x.size(2),
                          x.size(3));
    return ConvFunction::apply(x, weight, nn::optional_of(bias), stride, padding,
                               Report{&tape, slots});
}

} // namespace velamen::dpsgd
