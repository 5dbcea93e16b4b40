// SPDX-License-Identifier: GPL-3.0-or-later
//
// The linear layer, watched or plain.

#include "engine/nn/layers/linear.h"

#include <ATen/ATen.h>

#include "engine/nn/layers/initial_values.h"
#include "engine/nn/layers/precision.h"

namespace velamen::nn {

LinearImpl::LinearImpl(std::int64_t in, std::int64_t out, bool with_bias)
    : torch::nn::LinearImpl(
        torch::nn::LinearOptions(initial_width(in), initial_width(out)).bias(with_bias))
{
    replace_uninitialised(weight, {out, in});
    replace_uninitialised(bias, {out});
}

at::Tensor LinearImpl::forward(const at::Tensor& x)
{
    if (Tap* tap = watching(weight)) return tap->linear(x, weight, bias);
    if (!lora_ && is_packed_for(x, weight)) return packed_linear(x, weight, bias);
    const at::Tensor y = at::linear(x, in_type_of(x, weight), in_type_of(x, bias));
    return lora_ ? y + lora_term(*lora_, x, watching(lora_->a)) : y;
}

} // namespace velamen::nn
