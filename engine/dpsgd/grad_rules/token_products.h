// SPDX-License-Identifier: GPL-3.0-or-later
//
// Norms of sums of outer products: sum_t g_t a_t' per unit, by Gram matrices or by forming it,
// whichever is cheaper (Bu et al., arXiv 2205.10683, section 3: forming it wins from 2 T^2 > p d
// on). Everything here is fp32 or better: Gram matrices rounded to bf16 lose cancelling gradients
// altogether, and a unit whose norm is under-estimated is not clipped.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace velamen::dpsgd {

/// Elements of one block of formed gradients (16 MiB).
inline constexpr std::int64_t kFormedElements = std::int64_t{1} << 22;

/// How norms are found. Both ways are exact; tests force one.
enum class NormPath { Cheaper, Gram, Instantiate };

/// What the norms of one pass share. Remembers the last Gram matrix of an activation: query, key
/// and value projections share one.
struct GramCache {
    at::Tensor source; ///< kept alive, so that its address cannot be reused
    at::Tensor gram;
    NormPath path = NormPath::Cheaper;
    /// [U] bool, set by the last call of product_squared_norms() if it used Gram matrices: units of
    /// which they kept too few digits. Their norms were left out and have to be formed. Nobody
    /// looks at it here: on a GPU a look per layer would stop the queue.
    at::Tensor doubtful;
};

/// a: [U, T, d], g: [U, T, p], any strides  ->  [U] double: ||sum_t g_t a_t'||^2 per unit, 0 for
/// units that are marked in cache.doubtful.
at::Tensor product_squared_norms(const at::Tensor& a, const at::Tensor& g, GramCache& cache);

/// a: [U, T, d], g: [U, T, p]  ->  [U, p, d]
at::Tensor products(const at::Tensor& a, const at::Tensor& g);

/// rows: [U, ...]  ->  [U] double
at::Tensor row_squares(const at::Tensor& rows);

} // namespace velamen::dpsgd
