// SPDX-License-Identifier: GPL-3.0-or-later
//
// The features of Vaswani et al. 2017 (section 3.5) with the conventions of latent diffusion.

#include "engine/nn/layers/time_embedding.h"

#include <cmath>

#include <ATen/ATen.h>

namespace velamen::nn {

at::Tensor timestep_features(const at::Tensor& t, std::int64_t channels, bool flip_sin_to_cos,
                             double freq_shift)
{
    const std::int64_t half = channels / 2;
    // The order of these operations decides the last bit, which t = 999 magnifies.
    const at::Tensor exponent = at::arange(half, t.options().dtype(at::kFloat))
                                    .mul(-std::log(10000.0))
                                    .div(static_cast<double>(half) - freq_shift);
    const at::Tensor angle = t.to(at::kFloat).unsqueeze(1) * exponent.exp().unsqueeze(0);
    return flip_sin_to_cos ? at::cat({angle.cos(), angle.sin()}, 1)
                           : at::cat({angle.sin(), angle.cos()}, 1);
}

TimeEmbeddingImpl::TimeEmbeddingImpl(std::int64_t in, std::int64_t out)
{
    linear_1_ = register_module("linear_1", Linear(in, out));
    linear_2_ = register_module("linear_2", Linear(out, out));
}

at::Tensor TimeEmbeddingImpl::forward(const at::Tensor& features)
{
    return linear_2_(at::silu(linear_1_(features)));
}

} // namespace velamen::nn
