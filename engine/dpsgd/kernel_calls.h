// SPDX-License-Identifier: GPL-3.0-or-later
//
// The kernels behind tensors: picks the device, splits work between threads. Tensors are contiguous
// fp32 unless said otherwise; a kernel that refuses throws c10::Error, which is our own mistake.

#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include <ATen/core/Tensor.h>

#include "kernels/api/private_update.h"

namespace velamen::dpsgd {

/// Calls part(first, last) for ranges of 0 ... count-1, one range a thread; tensor operations
/// within stay on their thread.
void on_all_threads(std::int64_t count,
                    const std::function<void(std::int64_t, std::int64_t)>& part);

/// gram_a, gram_g: [U, T, T]  ->  squared and bound, both [U] double
std::pair<at::Tensor, at::Tensor> gram_product(const at::Tensor& gram_a, const at::Tensor& gram_g);

/// accumulator: any shape of `width` elements; rows: [U, width]; weights: [U]
void weighted_accumulate(const at::Tensor& rows, const at::Tensor& weights,
                         const at::Tensor& accumulator);

/// x, g: [U, T, C], mean, rstd: [U, T]  ->  weight and bias gradients, both [U, C]
std::pair<at::Tensor, at::Tensor> layer_norm_sums(const at::Tensor& x, const at::Tensor& g,
                                                  const at::Tensor& mean, const at::Tensor& rstd);

/// What an update did: squared norm of the noised gradient, number of weights that changed.
struct UpdateOutcome {
    double squared_norm = 0.0;
    std::uint64_t moved = 0;
};

/// All tensors of one shape; `average` may be undefined. Spans of `job` are filled in here.
UpdateOutcome private_update(kernels::PrivateUpdate job, const at::Tensor& sum,
                             const at::Tensor& weight, const at::Tensor& first_moment,
                             const at::Tensor& second_moment, const at::Tensor& average);

} // namespace velamen::dpsgd
