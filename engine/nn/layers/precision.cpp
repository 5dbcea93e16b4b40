// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/layers/precision.h"

#include <ATen/ATen.h>
#include <torch/nn/module.h>

#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/linear.h"

namespace velamen::nn {

namespace {

void round_frozen(at::Tensor& parameter)
{
    if (parameter.defined() && !parameter.requires_grad())
        parameter.set_data(parameter.detach().to(at::kBFloat16));
}

template <class Layer>
void round_layer(torch::nn::Module& module)
{
    auto* layer = dynamic_cast<Layer*>(&module);
    if (layer == nullptr) return;
    round_frozen(layer->weight);
    round_frozen(layer->bias);
}

} // namespace

at::Tensor in_type_of(const at::Tensor& x, const at::Tensor& parameter)
{
    return parameter.defined() ? parameter.to(x.scalar_type()) : parameter;
}

void store_frozen_in_bfloat16(torch::nn::Module& root)
{
    for (const auto& module : root.modules()) {
        round_layer<ConvImpl>(*module);
        round_layer<LinearImpl>(*module);
    }
}

} // namespace velamen::nn
