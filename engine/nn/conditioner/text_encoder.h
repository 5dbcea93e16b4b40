// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the text encoders have in common: numbers of tokens to hidden states.

#pragma once

#include <cstdint>

#include <torch/nn/module.h>

#include "engine/nn/layers/tapped.h"

namespace velamen::nn {

/// One thread.
class TextEncoder : public torch::nn::Module {
public:
    /// ids: [N, L] (int64), L at most max_tokens()  ->  [N, L, D]
    virtual at::Tensor encode(const at::Tensor& ids) = 0;
    virtual std::int64_t max_tokens() const = 0;
    virtual std::int64_t vocabulary_size() const = 0;
    virtual std::int64_t dim() const = 0;

    /// Borrowed; null detaches.
    void set_tap(Tap* tap) { nn::set_tap(*this, tap); }
};

} // namespace velamen::nn
