// SPDX-License-Identifier: GPL-3.0-or-later
//
// The table of rows, watched or plain.

#include "engine/nn/layers/embedding.h"

#include <ATen/ATen.h>

namespace velamen::nn {

EmbeddingImpl::EmbeddingImpl(std::int64_t rows, std::int64_t channels)
    : torch::nn::EmbeddingImpl(torch::nn::EmbeddingOptions(rows, channels))
{
}

at::Tensor EmbeddingImpl::forward(const at::Tensor& ids)
{
    if (Tap* tap = watching(weight)) return tap->embedding(ids, weight);
    return at::embedding(weight, ids);
}

} // namespace velamen::nn
