// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/layers/frozen.h"

#include <optional>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/layers/group_norm.h"
#include "engine/nn/layers/optional_of.h"

namespace velamen::nn {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool records(const at::Tensor& x) { return at::GradMode::is_enabled() && x.requires_grad(); }

struct ConvFunction : torch::autograd::Function<ConvFunction> {
    static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                              const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                              const ConvGeometry& geometry)
    {
        context->saved_data["sizes"] = x.sizes().vec();
        context->saved_data["stride"] = geometry.stride;
        context->saved_data["padding"] = geometry.padding;
        context->save_for_backward({weight});
        return conv2d_forward(x, weight, bias.value_or(at::Tensor{}), geometry);
    }

    static variable_list backward(AutogradContext* context, variable_list grads)
    {
        const ConvGeometry geometry{context->saved_data["stride"].toInt(),
                                    context->saved_data["padding"].toInt()};
        const auto sizes = context->saved_data["sizes"].toIntVector();
        return {conv2d_input_grad(grads[0], context->get_saved_variables()[0], sizes, geometry),
                {},
                {},
                {}};
    }
};

struct NormShape {
    std::int64_t rows, channels, area, groups;
    NormShape(const at::Tensor& x, std::int64_t group_count)
        : rows(x.size(0)), channels(x.size(1)), area(x.size(2) * x.size(3)), groups(group_count)
    {
    }
};

/// The normalised map before SiLU, from what the forward pass has kept.
at::Tensor normalised(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const at::Tensor& mean, const at::Tensor& rstd, const NormShape& shape)
{
    const auto per_channel = [&](const at::Tensor& by_group) { // [N, groups] -> [N, C]
        return by_group.unsqueeze(2)
            .expand({shape.rows, shape.groups, shape.channels / shape.groups})
            .reshape({shape.rows, shape.channels});
    };
    const at::Tensor scale = per_channel(rstd).mul(weight);
    const at::Tensor shift = at::addcmul(bias, per_channel(mean), scale, -1.0);
    const auto over_map = [](const at::Tensor& t) { return t.unsqueeze(2).unsqueeze(3); };
    return at::addcmul(over_map(shift), x, over_map(scale));
}

struct NormFunction : torch::autograd::Function<NormFunction> {
    static at::Tensor forward(AutogradContext* context, const at::Tensor& x, std::int64_t groups,
                              const at::Tensor& weight, const at::Tensor& bias, double eps,
                              bool has_silu)
    {
        const at::Tensor input = channels_last(x);
        const Normed normed = group_norm(input, groups, weight, bias, eps, has_silu);
        context->saved_data["groups"] = groups;
        context->saved_data["has_silu"] = has_silu;
        context->save_for_backward({input, weight, bias, normed.mean, normed.rstd});
        return normed.out;
    }

    static variable_list backward(AutogradContext* context, variable_list grads)
    {
        const auto saved = context->get_saved_variables();
        const at::Tensor x = saved[0].detach();
        const NormShape s(x, context->saved_data["groups"].toInt());
        at::Tensor grad = channels_last(grads[0]);
        if (context->saved_data["has_silu"].toBool()) {
            at::Tensor before =
                normalised(x, saved[1], saved[2], saved[3], saved[4], s).to(x.scalar_type());
            grad = at::silu_backward_out(before, grad, before);
        }
        return {std::get<0>(at::native_group_norm_backward(grad, x, saved[3], saved[4], saved[1],
                                                           s.rows, s.channels, s.area, s.groups,
                                                           {true, false, false})),
                {},
                {},
                {},
                {},
                {}};
    }
};

} // namespace

bool is_frozen(const at::Tensor& weight, const at::Tensor& bias)
{
    return !at::GradMode::is_enabled()
        || (!weight.requires_grad() && !(bias.defined() && bias.requires_grad()));
}

at::Tensor frozen_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const ConvGeometry& geometry)
{
    return records(x) ? ConvFunction::apply(x, weight, optional_of(bias), geometry)
                      : conv2d_forward(x, weight, bias, geometry);
}

at::Tensor frozen_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                       const at::Tensor& bias, double eps, bool has_silu)
{
    return records(x) ? NormFunction::apply(x, groups, weight, bias, eps, has_silu)
                      : group_norm(x, groups, weight, bias, eps, has_silu).out;
}

} // namespace velamen::nn
