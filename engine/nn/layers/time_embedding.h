// SPDX-License-Identifier: GPL-3.0-or-later
//
// How a UNet is told the noise level: sines and cosines of the timestep, then two linear layers.

#pragma once

#include "engine/nn/layers/linear.h"

namespace velamen::nn {

/// t: [N] (fractional values are allowed)  ->  [N, channels], fp32. channels must be even.
at::Tensor timestep_features(const at::Tensor& t, std::int64_t channels, bool flip_sin_to_cos,
                             double freq_shift);

class TimeEmbeddingImpl final : public torch::nn::Module {
public:
    TimeEmbeddingImpl(std::int64_t in, std::int64_t out);

    /// features: [N, in]  ->  [N, out]
    at::Tensor forward(const at::Tensor& features);

private:
    Linear linear_1_{nullptr}, linear_2_{nullptr};
};
TORCH_MODULE(TimeEmbedding);

} // namespace velamen::nn
