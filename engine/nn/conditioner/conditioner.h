// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the rest of the program knows of a conditioner: numbers of classes to context tokens. The
// last number is the null class (no condition). What a class is to a conditioner, a row of a table
// or a sentence, is its own affair.

#pragma once

#include <cstdint>

#include <torch/nn/module.h>

#include "engine/nn/layers/tapped.h"

namespace velamen::nn {

/// One thread.
class Conditioner : public torch::nn::Module {
public:
    /// ids: [N] (int64, 0 ... rows() - 1)  ->  [N, L, D]; undefined when tokens() is 0
    virtual at::Tensor forward(const at::Tensor& ids) = 0;
    /// Classes and the null class.
    virtual std::int64_t rows() const = 0;
    virtual std::int64_t tokens() const = 0; ///< L
    virtual std::int64_t dim() const = 0;    ///< D

    std::int64_t null_class() const { return rows() - 1; }
    /// Borrowed; null detaches.
    void set_tap(Tap* tap) { nn::set_tap(*this, tap); }
};

} // namespace velamen::nn
