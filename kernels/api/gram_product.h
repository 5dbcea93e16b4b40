// SPDX-License-Identifier: GPL-3.0-or-later
//
// Squared norm of a per-unit weight gradient from two Gram matrices, without the gradient itself:
// ||sum_t g_t a_t'||^2 = sum_{t,t'} (a_t . a_t')(g_t . g_t'). The Gram matrices are a product of
// the caller's (GEMM is not a matter of this folder).

#pragma once

#include <cstddef>
#include <span>

#include "kernels/api/status.h"

namespace velamen::kernels {

struct GramProduct {
    std::size_t units = 0;
    std::size_t tokens = 0;
    std::span<const float> gram_a; ///< [units, tokens, tokens]
    std::span<const float> gram_g; ///< [units, tokens, tokens]
    std::span<double> squared;     ///< [units], overwritten: sum of the element-wise product
    std::span<double> bound;       ///< [units], overwritten: trace(gram_a) * trace(gram_g)
};

namespace cpu {
Status gram_product(Stream stream, const GramProduct& job) noexcept;
}
namespace reference {
Status gram_product(Stream stream, const GramProduct& job) noexcept;
}
namespace cuda {
Status gram_product(Stream stream, const GramProduct& job) noexcept;
}

} // namespace velamen::kernels
