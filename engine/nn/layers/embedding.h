// SPDX-License-Identifier: GPL-3.0-or-later
//
// A table of rows that a Tap can watch.

#pragma once

#include <torch/nn/modules/embedding.h>

#include "engine/nn/layers/tapped.h"

namespace velamen::nn {

class EmbeddingImpl final : public torch::nn::EmbeddingImpl, public Tapped {
public:
    EmbeddingImpl(std::int64_t rows, std::int64_t channels);

    /// ids: [N] or [N, L] (int64)  ->  [N, D] or [N, L, D]
    at::Tensor forward(const at::Tensor& ids);
};
TORCH_MODULE(Embedding);

} // namespace velamen::nn
