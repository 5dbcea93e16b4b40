// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/validate.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>

namespace velamen::dpsgd {

namespace {

std::unordered_set<const void*> identities(const TrainedTensors& trained)
{
    std::unordered_set<const void*> out;
    for (const auto& entry : trained)
        out.insert(entry.tensor.unsafeGetTensorImpl());
    return out;
}

bool is_batch_norm(const torch::nn::Module& module)
{
    return dynamic_cast<const torch::nn::BatchNorm1dImpl*>(&module) != nullptr
        || dynamic_cast<const torch::nn::BatchNorm2dImpl*>(&module) != nullptr
        || dynamic_cast<const torch::nn::BatchNorm3dImpl*>(&module) != nullptr;
}

double sum_of(const at::Tensor& tensor) { return tensor.detach().sum(at::kDouble).item<double>(); }

double squares_of(const at::Tensor& tensor)
{
    return at::linalg_vector_norm(tensor.detach(), 2, at::OptionalIntArrayRef{}, false, at::kFloat)
        .item<double>();
}

} // namespace

Result<> check_module(const torch::nn::Module& module, const TrainedTensors& trained)
{
    for (const auto& item : module.named_modules())
        if (is_batch_norm(*item.value()))
            return fail(ErrorCode::Refused,
                        "layer " + item.key() + " is a batch norm: it mixes the samples of a batch",
                        "use a checkpoint with group norms");
    const auto parameters = module.named_parameters();
    for (const auto& item : parameters)
        if (item.value().scalar_type() != parameters.begin()->value().scalar_type())
            return fail(ErrorCode::Refused,
                        "tensor " + item.key() + " is of another type than "
                            + parameters.begin()->key() + ": the model mixes precisions",
                        "use a checkpoint whose tensors are all of one type");
    const auto known = identities(trained);
    for (const auto& item : parameters)
        if (item.value().requires_grad() && !known.contains(item.value().unsafeGetTensorImpl()))
            return fail(ErrorCode::Refused,
                        "tensor " + item.key() + " would be trained but is not selected",
                        "freeze it or add it to the selection");
    return {};
}

Result<> check_trained(const TrainedTensors& trained)
{
    if (trained.empty())
        return fail(ErrorCode::Refused, "no tensor is selected for training",
                    "choose another selection");
    std::set<std::string> names;
    std::unordered_map<const void*, std::string> memory;
    for (const auto& [name, tensor, scale] : trained) {
        if (!tensor.defined() || !tensor.is_leaf() || !tensor.requires_grad()
            || !at::isFloatingType(tensor.scalar_type()))
            return fail(ErrorCode::Refused, "tensor " + name + " cannot be trained");
        if (!names.insert(name).second)
            return fail(ErrorCode::Refused, "tensor " + name + " is selected twice");
        const auto [other, is_new] = memory.emplace(tensor.storage().unsafeGetStorageImpl(), name);
        if (!is_new)
            return fail(ErrorCode::Refused,
                        "tensors " + other->second + " and " + name + " share their memory",
                        "select only one of them, or use a checkpoint without tied weights");
    }
    return {};
}

std::vector<std::string> unrecorded(const GradTape& tape, const TrainedTensors& trained)
{
    std::vector<bool> seen(trained.size(), false);
    for (const auto& record : tape.records())
        for (const std::int64_t slot : {record->slots().weight, record->slots().bias})
            if (slot >= 0) seen[static_cast<std::size_t>(slot)] = true;
    std::vector<std::string> missing;
    for (std::size_t i = 0; i < trained.size(); ++i)
        if (!seen[i]) missing.push_back(trained[i].name);
    return missing;
}

Result<> check_recorded(const GradTape& tape, const TrainedTensors& trained,
                        std::span<const std::string> dead)
{
    VELAMEN_TRY(tape.check_known());
    for (const std::string& name : unrecorded(tape, trained))
        if (std::ranges::find(dead, name) == dead.end())
            return fail(ErrorCode::Refused,
                        "tensor " + name + " is selected but the loss does not reach it",
                        "leave it out of the selection: it would receive nothing but noise");
    return {};
}

Result<> check_moved(const StepReport& report, const TrainedTensors& trained)
{
    for (std::size_t i = 0; i < trained.size(); ++i)
        if (i >= report.moved.size() || !report.moved[i])
            return fail(ErrorCode::Refused,
                        "tensor " + trained[i].name + " did not move in the first step",
                        "the noise of this step did not reach the model: please report this");
    return {};
}

FrozenWatch::FrozenWatch(const torch::nn::Module& module, const TrainedTensors& trained)
{
    const auto known = identities(trained);
    for (const auto& item : module.named_parameters())
        if (!known.contains(item.value().unsafeGetTensorImpl()))
            watched_.push_back(
                {item.key(), item.value(), sum_of(item.value()), squares_of(item.value())});
}

Result<> FrozenWatch::check() const
{
    for (const auto& [name, tensor, sum, squares] : watched_)
        if (sum_of(tensor) != sum || squares_of(tensor) != squares)
            return fail(ErrorCode::Refused, "frozen tensor " + name + " changed during training",
                        "please report this");
    return {};
}

} // namespace velamen::dpsgd
