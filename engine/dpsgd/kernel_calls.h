// SPDX-License-Identifier: GPL-3.0-or-later
//
// The kernels behind tensors: picks the device, splits work between threads. Tensors are contiguous
// fp32 unless said otherwise; a kernel that refuses throws c10::Error, which is our own mistake.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

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

/// The elements of a contiguous fp32 tensor; nothing of an undefined one.
std::span<float> floats_of(const at::Tensor& tensor);

/// Runs all updates of a step as one: on the CPU in one parallel region over the elements of all of
/// them, on a device one after another with a single read back at the end. Every span lies on
/// `device`; squared_norm and moved are filled in here. One outcome a job; it does not depend on
/// the number of threads.
std::vector<UpdateOutcome> private_updates(std::vector<kernels::PrivateUpdate> jobs,
                                           const at::Device& device);

} // namespace velamen::dpsgd
