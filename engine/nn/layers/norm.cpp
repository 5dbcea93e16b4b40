// SPDX-License-Identifier: GPL-3.0-or-later
//
// The norms, watched or plain.

#include "engine/nn/layers/norm.h"

#include <ATen/ATen.h>

#include "engine/nn/layers/frozen.h"

namespace velamen::nn {

LayerNormImpl::LayerNormImpl(std::int64_t channels, double eps)
    : torch::nn::LayerNormImpl(torch::nn::LayerNormOptions({channels}).eps(eps))
{
}

at::Tensor LayerNormImpl::forward(const at::Tensor& x)
{
    if (Tap* tap = watching(weight)) return tap->layer_norm(x, weight, bias, options.eps());
    return at::layer_norm(x, options.normalized_shape(), weight, bias, options.eps());
}

GroupNormImpl::GroupNormImpl(std::int64_t groups, std::int64_t channels, double eps)
    : torch::nn::GroupNormImpl(torch::nn::GroupNormOptions(groups, channels).eps(eps))
{
}

at::Tensor GroupNormImpl::forward(const at::Tensor& x)
{
    if (Tap* tap = watching(weight))
        return tap->group_norm(x, options.num_groups(), weight, bias, options.eps());
    if (x.dim() == 4 && is_frozen(weight, bias))
        return frozen_norm(x, options.num_groups(), weight, bias, options.eps(), false);
    return at::group_norm(x, options.num_groups(), weight, bias, options.eps());
}

at::Tensor GroupNormImpl::forward_silu(const at::Tensor& x)
{
    if (is_frozen(weight, bias))
        return frozen_norm(x, options.num_groups(), weight, bias, options.eps(), true);
    return at::silu(forward(x));
}

} // namespace velamen::nn
