// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/token_products.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "engine/dpsgd/kernel_calls.h"

namespace velamen::dpsgd {

namespace {

/// Below this share of ||a||^2 ||g||^2 the sum of the Gram product has cancelled too much for fp32.
constexpr double kCancellation = 1e-4;
at::Tensor formed_squared_norms(const at::Tensor& a, const at::Tensor& g)
{
    const std::int64_t units = a.size(0);
    const std::int64_t size = std::max<std::int64_t>(1, a.size(2) * g.size(2));
    const std::int64_t block =
        std::clamp<std::int64_t>(kFormedElements / size, 1, std::max<std::int64_t>(1, units));
    const at::Tensor out = at::empty({units}, a.options().dtype(at::kDouble));
    for (std::int64_t first = 0; first < units; first += block) {
        const std::int64_t count = std::min(block, units - first);
        out.narrow(0, first, count)
            .copy_(row_squares(products(a.narrow(0, first, count), g.narrow(0, first, count))));
    }
    return out;
}

at::Tensor gram(const at::Tensor& x) { return at::bmm(x, x.transpose(1, 2)); }

} // namespace

at::Tensor row_squares(const at::Tensor& rows)
{
    const at::Tensor flat = rows.flatten(1);
    return at::linalg_vector_norm(flat, 2, at::IntArrayRef{1}).to(at::kDouble).square_();
}

at::Tensor products(const at::Tensor& a, const at::Tensor& g)
{
    return at::bmm(g.transpose(1, 2), a);
}

at::Tensor product_squared_norms(const at::Tensor& a, const at::Tensor& g, GramCache& cache)
{
    const std::int64_t tokens = a.size(1);
    if (cache.path == NormPath::Instantiate) return formed_squared_norms(a, g);
    if (tokens == 1) return row_squares(a).mul_(row_squares(g));
    if (cache.path == NormPath::Cheaper && 2 * tokens * tokens > a.size(2) * g.size(2))
        return formed_squared_norms(a, g);

    if (!cache.source.defined() || cache.source.data_ptr() != a.data_ptr()
        || cache.source.sizes() != a.sizes() || cache.source.strides() != a.strides()) {
        cache.source = a;
        cache.gram = gram(a);
    }
    auto [squared, bound] = gram_product(cache.gram, gram(g));
    cache.doubtful = at::lt(squared, bound.mul_(kCancellation));
    return squared.masked_fill_(cache.doubtful, 0.0);
}

} // namespace velamen::dpsgd
