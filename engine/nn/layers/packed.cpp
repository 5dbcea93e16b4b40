// SPDX-License-Identifier: GPL-3.0-or-later
//
// torch has these operations for its compiler; they are called by name.

#include "engine/nn/layers/packed.h"

#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <torch/nn/module.h>

#include "engine/nn/layers/precision.h"

namespace velamen::nn {

namespace {

using Ints = std::vector<std::int64_t>;

std::optional<c10::OperatorHandle> operation(const char* name)
{
    return c10::Dispatcher::singleton().findSchema({name, ""});
}

/// Null on builds of torch without oneDNN, and on processors that it does not serve.
struct Operations {
    std::optional<c10::OperatorHandle> pack_linear = operation("mkldnn::_reorder_linear_weight");
    std::optional<c10::OperatorHandle> linear = operation("mkldnn::_linear_pointwise");
    std::optional<c10::OperatorHandle> pack_conv = operation("mkldnn::_reorder_convolution_weight");
    std::optional<c10::OperatorHandle> conv = operation("mkldnn::_convolution_pointwise");

    bool are_there() const { return pack_linear && linear && pack_conv && conv; }
};

const Operations& operations()
{
    static const Operations all;
    return all;
}

at::Tensor call(const std::optional<c10::OperatorHandle>& operation, torch::jit::Stack arguments)
{
    operation->callBoxed(arguments);
    return arguments.back().toTensor();
}

c10::IValue optional_value(const at::Tensor& tensor)
{
    return tensor.defined() ? c10::IValue(tensor) : c10::IValue();
}

const c10::List<std::optional<at::Scalar>> kNoScalars;

} // namespace

bool Packable::is_packed_for(const at::Tensor& x, const at::Tensor& weight) const
{
    return is_wanted_ && !at::GradMode::is_enabled() && x.device().is_cpu()
        && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat
        && operations().are_there();
}

at::Tensor Packable::packed_linear(const at::Tensor& x, const at::Tensor& weight,
                                   const at::Tensor& bias)
{
    if (!packed_.defined()) {
        const std::int64_t rows = x.numel() / x.size(-1);
        packed_ = call(operations().pack_linear, {weight.flatten(1).contiguous(), rows});
    }
    return call(operations().linear,
                {x.contiguous(), packed_, optional_value(in_type_of(x, bias)), "none", kNoScalars,
                 c10::IValue()});
}

at::Tensor Packable::packed_conv2d(const at::Tensor& x, const at::Tensor& weight,
                                   const at::Tensor& bias, const ConvGeometry& geometry)
{
    const Ints stride(2, geometry.stride), padding(2, geometry.padding), dilation(2, 1);
    const at::Tensor map = channels_last(x);
    if (!packed_.defined())
        packed_ = call(operations().pack_conv,
                       {weight, padding, stride, dilation, std::int64_t{1}, map.sizes().vec()});
    return call(operations().conv,
                {map, packed_, optional_value(in_type_of(x, bias)), padding, stride, dilation,
                 std::int64_t{1}, "none", kNoScalars, c10::IValue()});
}

PackedWeights::PackedWeights(torch::nn::Module& root, std::int64_t most_bytes)
{
    std::int64_t bytes = 0;
    for (const auto& module : root.modules()) {
        auto* layer = dynamic_cast<Packable*>(module.get());
        if (layer == nullptr) continue;
        layers_.push_back(layer);
        for (const at::Tensor& parameter : module->parameters(false))
            bytes += static_cast<std::int64_t>(parameter.nbytes());
    }
    if (bytes > most_bytes) layers_.clear();
    for (Packable* layer : layers_)
        layer->pack(true);
}

PackedWeights::~PackedWeights()
{
    for (Packable* layer : layers_)
        layer->pack(false);
}

} // namespace velamen::nn
