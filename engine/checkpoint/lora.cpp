// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/checkpoint/lora.h"

#include <algorithm>
#include <map>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/tensors.h"
#include "engine/core/assert.h"
#include "engine/nn/layers/linear.h"
#include "engine/nn/unet/model.h"

namespace velamen::checkpoint {

namespace {

constexpr std::string_view kWeight = ".weight";

using Modules = torch::OrderedDict<std::string, std::shared_ptr<torch::nn::Module>>;

/// "unet/<layer>.weight" -> the linear layer; null when there is none.
nn::LinearImpl* layer_of(const Modules& modules, std::string_view weight)
{
    if (!weight.ends_with(kWeight)) return nullptr;
    weight.remove_prefix(kUNetPrefix.size());
    weight.remove_suffix(kWeight.size());
    const auto* module = modules.find(std::string(weight));
    return module == nullptr ? nullptr : dynamic_cast<nn::LinearImpl*>(module->get());
}

} // namespace

Result<NamedTensorList> attach_lora(Checkpoint& checkpoint, const std::vector<std::string>& names,
                                    const Selection& selection, std::uint64_t seed)
{
    const auto modules = checkpoint.unet().named_modules();
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    NamedTensorList out;
    for (const std::string& name : names) {
        if (!name.starts_with(kUNetPrefix)) continue;
        nn::LinearImpl* layer = layer_of(modules, name);
        if (layer == nullptr)
            return fail(ErrorCode::InvalidArgument, name + " is not the weight of a linear layer",
                        "low-rank factors stand beside to_q, to_k, to_v and to_out.0");
        const std::int64_t in = layer->weight.size(1), rows = layer->weight.size(0);
        if (selection.rank > std::min(in, rows))
            return fail(ErrorCode::InvalidArgument,
                        "the rank " + std::to_string(selection.rank) + " is above the width "
                            + std::to_string(std::min(in, rows)) + " of " + name,
                        "choose a rank of at most that width");
        nn::LoraFactors factors =
            nn::fresh_lora(in, rows, selection.rank, selection.scale(), generator);
        out.emplace_back(lora_name(name, 'A'), factors.a);
        out.emplace_back(lora_name(name, 'B'), factors.b);
        layer->set_lora(std::move(factors));
    }
    return out;
}

MergedWeights::MergedWeights(Checkpoint& checkpoint, const std::vector<std::string>& names,
                             double scale)
    : scale_(scale)
{
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [name, tensor] : named_tensors(checkpoint))
        tensors.emplace(name, tensor);
    for (const std::string& name : names)
        if (name.starts_with(kUNetPrefix))
            entries_.push_back({name, tensors.at(name), tensors.at(name).detach().clone()});
}

void MergedWeights::set(const NamedTensorList& factors)
{
    const at::NoGradGuard no_grad;
    const std::map<std::string, at::Tensor> given(factors.begin(), factors.end());
    for (const auto& [name, weight, base] : entries_) {
        const auto a = given.find(lora_name(name, 'A')), b = given.find(lora_name(name, 'B'));
        VELAMEN_ASSERT(a != given.end() && b != given.end());
        weight.copy_(nn::merged(base, {a->second, b->second, scale_}));
    }
}

} // namespace velamen::checkpoint
