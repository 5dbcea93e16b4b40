// SPDX-License-Identifier: GPL-3.0-or-later
//
// A linear layer that a Tap can watch. Parameters and initial values are torch's.

#pragma once

#include <optional>
#include <utility>

#include <torch/nn/modules/linear.h>

#include "engine/nn/layers/lora.h"
#include "engine/nn/layers/packed.h"
#include "engine/nn/layers/tapped.h"

namespace velamen::nn {

class LinearImpl final : public torch::nn::LinearImpl, public Tapped, public Packable {
public:
    LinearImpl(std::int64_t in, std::int64_t out, bool bias = true);

    /// x: [N, ..., in]  ->  [N, ..., out]
    at::Tensor forward(const at::Tensor& x);

    /// Low-rank factors beside the weight, which has to be frozen. They are no parameters of the
    /// module: what is saved is the weight alone.
    void set_lora(LoraFactors factors) { lora_ = std::move(factors); }
    const std::optional<LoraFactors>& lora() const noexcept { return lora_; }

private:
    std::optional<LoraFactors> lora_;
};
TORCH_MODULE(Linear);

} // namespace velamen::nn
