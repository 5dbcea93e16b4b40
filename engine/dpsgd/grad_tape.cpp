// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_tape.h"

#include <utility>

#include "engine/dpsgd/grad_rules/conv1d.h"
#include "engine/dpsgd/grad_rules/conv2d.h"
#include "engine/dpsgd/grad_rules/embedding.h"
#include "engine/dpsgd/grad_rules/group_norm.h"
#include "engine/dpsgd/grad_rules/layer_norm.h"
#include "engine/dpsgd/grad_rules/linear.h"

namespace velamen::dpsgd {

GradTape::GradTape(const TrainedTensors& trained) : trained_(trained)
{
    for (std::size_t i = 0; i < trained_.size(); ++i)
        slots_.emplace(trained_[i].tensor.unsafeGetTensorImpl(), static_cast<std::int64_t>(i));
}

std::int64_t GradTape::slot_of(const at::Tensor& tensor) const
{
    if (!tensor.defined()) return -1;
    const auto found = slots_.find(tensor.unsafeGetTensorImpl());
    return found == slots_.end() ? -1 : found->second;
}

Slots GradTape::slots(const at::Tensor& weight, const at::Tensor& bias)
{
    const Slots slots{slot_of(weight), slot_of(bias)};
    if ((slots.weight < 0 && weight.requires_grad())
        || (slots.bias < 0 && bias.defined() && bias.requires_grad()))
        saw_unknown_ = true;
    return slots;
}

at::Tensor GradTape::linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias)
{
    return taped_linear(*this, slots(weight, bias), x, weight, bias);
}

at::Tensor GradTape::conv1d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            std::int64_t stride, std::int64_t padding)
{
    return taped_conv1d(*this, slots(weight, bias), x, weight, bias, stride, padding);
}

at::Tensor GradTape::conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            std::int64_t stride, std::int64_t padding)
{
    return taped_conv2d(*this, slots(weight, bias), x, weight, bias, {stride, stride},
                        {padding, padding});
}

at::Tensor GradTape::layer_norm(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias, double eps)
{
    return taped_layer_norm(*this, slots(weight, bias), x, weight, bias, eps);
}

at::Tensor GradTape::group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                                const at::Tensor& bias, double eps)
{
    return taped_group_norm(*this, slots(weight, bias), x, groups, weight, bias, eps);
}

at::Tensor GradTape::embedding(const at::Tensor& ids, const at::Tensor& weight)
{
    return taped_embedding(*this, slots(weight, {}), ids, weight);
}

void GradTape::push(std::unique_ptr<GradRecord> record)
{
    const std::scoped_lock lock(mutex_);
    records_.push_back(std::move(record));
}

void GradTape::clear()
{
    const std::scoped_lock lock(mutex_);
    records_.clear();
}

Result<> GradTape::check_known() const
{
    if (saw_unknown_)
        return fail(ErrorCode::Refused,
                    "a layer with a trainable tensor outside the selection was used",
                    "freeze every tensor that is not selected");
    return {};
}

} // namespace velamen::dpsgd
