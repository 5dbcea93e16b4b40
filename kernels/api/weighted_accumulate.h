// SPDX-License-Identifier: GPL-3.0-or-later
//
// accumulator += sum_i weight_i * row_i, for gradients that exist per unit.

#pragma once

#include <cstddef>
#include <span>

#include "kernels/api/status.h"

namespace velamen::kernels {

struct WeightedAccumulate {
    std::size_t units = 0;
    std::size_t width = 0;
    std::span<const float> rows;    ///< [units, width]
    std::span<const float> weights; ///< [units]; a row of weight 0 is not read
    std::span<float> accumulator;   ///< [width]
};

namespace cpu {
Status weighted_accumulate(Stream stream, const WeightedAccumulate& job) noexcept;
}
namespace reference {
Status weighted_accumulate(Stream stream, const WeightedAccumulate& job) noexcept;
}
namespace cuda {
Status weighted_accumulate(Stream stream, const WeightedAccumulate& job) noexcept;
}

} // namespace velamen::kernels
