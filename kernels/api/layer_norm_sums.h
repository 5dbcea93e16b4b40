// SPDX-License-Identifier: GPL-3.0-or-later
//
// Per-unit gradients of a layer norm's weight and bias, in one pass over input and output gradient:
// weight: sum_t g_t (x_t - mean_t) rstd_t, bias: sum_t g_t.

#pragma once

#include <cstddef>
#include <span>

#include "kernels/api/status.h"

namespace velamen::kernels {

struct LayerNormSums {
    std::size_t units = 0;
    std::size_t tokens = 0;
    std::size_t width = 0;
    std::span<const float> input;          ///< [units, tokens, width]
    std::span<const float> output_grad;    ///< [units, tokens, width]
    std::span<const float> mean;           ///< [units, tokens]
    std::span<const float> inverse_stddev; ///< [units, tokens]
    std::span<float> weight_grad;          ///< [units, width], overwritten
    std::span<float> bias_grad;            ///< [units, width], overwritten
};

namespace cpu {
Status layer_norm_sums(Stream stream, const LayerNormSums& job) noexcept;
}
namespace reference {
Status layer_norm_sums(Stream stream, const LayerNormSums& job) noexcept;
}
namespace cuda {
Status layer_norm_sums(Stream stream, const LayerNormSums& job) noexcept;
}

} // namespace velamen::kernels
