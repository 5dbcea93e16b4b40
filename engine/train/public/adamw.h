// SPDX-License-Identifier: GPL-3.0-or-later
//
// AdamW for public training, with a state that can be written and read back bit for bit. Private
// training has its own optimiser, which accepts noisy gradients only (engine/dpsgd).

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace velamen::train {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

struct AdamWOptions {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 1e-3;
    double max_gradient_norm = 1.0; ///< of all gradients together
};

/// Loshchilov, Hutter 2019, algorithm 2. One thread.
class AdamW {
public:
    /// Shares memory with `parameters`.
    AdamW(NamedTensors parameters, const AdamWOptions& options);

    void zero_gradients();
    /// Clips the gradients by their joint norm, updates, and returns the norm before clipping.
    double step(double learning_rate);

    const NamedTensors& parameters() const noexcept { return parameters_; }
    /// Everything that a later run needs besides the parameters; shares memory with this.
    NamedTensors state() const;

private:
    NamedTensors parameters_;
    AdamWOptions options_;
    std::vector<at::Tensor> first_, second_, steps_;
};

} // namespace velamen::train
