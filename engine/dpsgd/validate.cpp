// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/validate.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/instancenorm.h>

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
        || dynamic_cast<const torch::nn::BatchNorm3dImpl*>(&module) != nullptr
        || module.name().find("BatchNorm") != std::string::npos;
}

template <class Norm>
bool tracks(const torch::nn::Module& module)
{
    const auto* norm = dynamic_cast<const Norm*>(&module);
    return norm != nullptr && norm->options.track_running_stats();
}

bool keeps_statistics(const torch::nn::Module& module)
{
    return tracks<torch::nn::InstanceNorm1dImpl>(module)
        || tracks<torch::nn::InstanceNorm2dImpl>(module)
        || tracks<torch::nn::InstanceNorm3dImpl>(module);
}

const void* memory_of(const at::Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }

/// Parameters, then buffers, with their full names.
std::vector<std::pair<std::string, at::Tensor>> tensors_of(const torch::nn::Module& module)
{
    std::vector<std::pair<std::string, at::Tensor>> out;
    for (const auto& item : module.named_parameters())
        out.emplace_back(item.key(), item.value());
    for (const auto& item : module.named_buffers())
        out.emplace_back(item.key(), item.value());
    std::erase_if(out, [](const auto& item) { return !item.second.defined(); });
    return out;
}

/// A trained tensor that has a second name, whole or in part, moves or is used where nobody looks.
Result<> check_untied(const torch::nn::Module& module, const TrainedTensors& trained)
{
    std::unordered_map<const void*, std::string> names; // by memory; empty: not seen yet
    for (const auto& entry : trained)
        names.emplace(memory_of(entry.tensor), "");
    for (const auto& [name, tensor] : tensors_of(module)) {
        const auto found = names.find(memory_of(tensor));
        if (found == names.end()) continue;
        if (!found->second.empty())
            return fail(ErrorCode::Refused,
                        "tensors " + found->second + " and " + name + " share their memory",
                        "use a checkpoint without tied weights, or a selection without them");
        found->second = name;
    }
    return {};
}

/// Values in the order of their indices: sums in another order differ in the last digits, and a
/// layer may lay a frozen weight out anew.
at::Tensor in_order(const at::Tensor& tensor) { return tensor.detach().contiguous(); }

double sum_of(const at::Tensor& tensor) { return in_order(tensor).sum(at::kDouble).item<double>(); }

double squares_of(const at::Tensor& tensor)
{
    const at::Tensor values = in_order(tensor); // buffers may hold integers
    return at::linalg_vector_norm(values.is_floating_point() ? values : values.to(at::kFloat), 2,
                                  at::OptionalIntArrayRef{}, false, at::kFloat)
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
        else if (keeps_statistics(*item.value()))
            return fail(ErrorCode::Refused,
                        "layer " + item.key() + " keeps statistics of the images that it sees",
                        "use a checkpoint with group norms");
    VELAMEN_TRY(check_untied(module, trained));
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
    for (const auto& [name, tensor, scale, block] : trained) {
        if (!tensor.defined() || !tensor.is_leaf() || !tensor.requires_grad()
            || !at::isFloatingType(tensor.scalar_type()))
            return fail(ErrorCode::Refused, "tensor " + name + " cannot be trained",
                        "leave it out of the selection");
        if (!tensor.is_non_overlapping_and_dense())
            return fail(ErrorCode::Refused, "tensor " + name + " shares memory with itself",
                        "use a checkpoint without expanded weights");
        if (tensor.scalar_type() != trained.front().tensor.scalar_type())
            return fail(ErrorCode::Refused,
                        "tensors " + trained.front().name + " and " + name
                            + " have different number types",
                        "convert the checkpoint to one type");
        if (!names.insert(name).second)
            return fail(ErrorCode::Refused, "tensor " + name + " is selected twice");
        const auto [other, is_new] = memory.emplace(memory_of(tensor), name);
        if (!is_new)
            return fail(ErrorCode::Refused,
                        "tensors " + other->second + " and " + name + " share their memory",
                        "select only one of them, or use a checkpoint without tied weights");
    }
    return {};
}

Result<> check_independence(const RowLosses& losses_of)
{
    const auto first_of = [&](std::int64_t neighbour) {
        const at::Tensor rows = at::tensor({std::int64_t{0}, neighbour}, at::kLong);
        return losses_of(rows).flatten()[0].to(at::kDouble).item<double>();
    };
    const double one = first_of(1), other = first_of(2);
    if (std::abs(one - other) <= 1e-4 * std::abs(one)) return {};
    return fail(ErrorCode::Refused, "a layer of this model mixes the samples of a batch",
                "use a checkpoint whose norms look at one sample at a time");
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
    for (const auto& [name, tensor] : tensors_of(module))
        if (!known.contains(tensor.unsafeGetTensorImpl()))
            watched_.push_back({name, tensor, sum_of(tensor), squares_of(tensor)});
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
