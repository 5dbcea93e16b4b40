// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/layers/lora.h"

#include <cmath>

#include <ATen/ATen.h>

#include "engine/nn/layers/precision.h"

namespace velamen::nn {

LoraFactors fresh_lora(std::int64_t in, std::int64_t out, std::int64_t rank, double scale,
                       at::Generator& generator)
{
    const double bound = 1.0 / std::sqrt(static_cast<double>(in));
    at::Tensor a = at::empty({rank, in});
    a.uniform_(-bound, bound, generator);
    return {a, at::zeros({out, rank}), scale};
}

at::Tensor lora_term(const LoraFactors& factors, const at::Tensor& x, Tap* tap)
{
    // Scaled where it is narrow.
    if (tap != nullptr)
        return tap->linear(tap->linear(x, factors.a, {}) * factors.scale, factors.b, {});
    return at::linear(at::linear(x, in_type_of(x, factors.a)) * factors.scale,
                      in_type_of(x, factors.b));
}

at::Tensor merged(const at::Tensor& weight, const LoraFactors& factors)
{
    return at::addmm(weight, factors.b, factors.a, 1.0, factors.scale);
}

} // namespace velamen::nn
