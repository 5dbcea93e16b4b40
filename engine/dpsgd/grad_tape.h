// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where layers report to during private training. Each call of a trained layer goes through an
// autograd function whose backward pass returns the input's gradient only and leaves a record
// (activation, output gradient) here; no weight gradient of a batch is ever computed. It clips
// nothing and knows no model.

#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/result.h"
#include "engine/dpsgd/grad_rules/record.h"
#include "engine/dpsgd/trained_tensor.h"
#include "engine/nn/layers/tap.h"

namespace velamen::dpsgd {

/// Must outlive every backward pass through layers that hold it. Forward on one thread; records may
/// arrive from autograd's threads.
class GradTape final : public nn::Tap {
public:
    explicit GradTape(const TrainedTensors& trained);

    at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias) override;
    at::Tensor conv1d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      std::int64_t stride, std::int64_t padding) override;
    at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      std::int64_t stride, std::int64_t padding) override;
    at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          double eps) override;
    at::Tensor group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                          const at::Tensor& bias, double eps) override;
    at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight) override;

    /// Called by the rules' backward passes.
    void push(std::unique_ptr<GradRecord> record);
    /// Position of a trained tensor; -1 when it is undefined or not trained.
    std::int64_t slot_of(const at::Tensor& tensor) const;

    std::span<const std::unique_ptr<GradRecord>> records() const noexcept { return records_; }
    void clear();
    /// Refused when a layer reported a parameter that requires a gradient but is not trained: its
    /// gradient would be computed nowhere.
    Result<> check_known() const;
    const TrainedTensors& trained() const noexcept { return trained_; }

private:
    Slots slots(const at::Tensor& weight, const at::Tensor& bias);
    std::unordered_map<const void*, std::int64_t> slots_; // by TensorImpl
    TrainedTensors trained_;                              // keeps the keys of slots_ alive
    std::mutex mutex_;
    std::vector<std::unique_ptr<GradRecord>> records_;
    bool saw_unknown_ = false;
};

} // namespace velamen::dpsgd
