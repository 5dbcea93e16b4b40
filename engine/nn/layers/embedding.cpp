// SPDX-License-Identifier: GPL-3.0-or-later
//
// The table of rows, watched or plain.

#include "engine/nn/layers/embedding.h"

#include <ATen/ATen.h>

#include "engine/nn/layers/initial_values.h"

namespace velamen::nn {

EmbeddingImpl::EmbeddingImpl(std::int64_t rows, std::int64_t channels)
    : torch::nn::EmbeddingImpl(
        torch::nn::EmbeddingOptions(initial_width(rows), initial_width(channels)))
{
    replace_uninitialised(weight, {rows, channels});
}

at::Tensor EmbeddingImpl::forward(const at::Tensor& ids)
{
    if (Tap* tap = watching(weight)) return tap->embedding(ids, weight);
    return at::embedding(weight, ids);
}

} // namespace velamen::nn
