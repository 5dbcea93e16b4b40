// SPDX-License-Identifier: GPL-3.0-or-later
//
// Low-rank factors beside a frozen weight (Hu et al. 2021, arXiv 2106.09685, section 4.1):
// y = x (W + s B A)' + b. Which layers have them is not known here.

#pragma once

#include <cstdint>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "engine/nn/layers/tap.h"

namespace velamen::nn {

/// Tensors are shared with whoever trains them.
struct LoraFactors {
    at::Tensor a; // [rank, in]
    at::Tensor b; // [out, rank]
    double scale = 1.0;
};

/// A uniform in +-1/sqrt(in), as loralib draws it, B zero: the layer does not change at first.
/// fp32 leaves that do not require grad.
LoraFactors fresh_lora(std::int64_t in, std::int64_t out, std::int64_t rank, double scale,
                       at::Generator& generator);

/// s (x A') B', both products through `tap` unless it is null.
/// x: [N, ..., in]  ->  [N, ..., out]
at::Tensor lora_term(const LoraFactors& factors, const at::Tensor& x, Tap* tap);

/// W + s B A. weight: [out, in]
at::Tensor merged(const at::Tensor& weight, const LoraFactors& factors);

} // namespace velamen::nn
