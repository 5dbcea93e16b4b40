// SPDX-License-Identifier: GPL-3.0-or-later
//
// Checks that fail closed before and during a private run: what the clipper bounds has to be what
// the model trains. They read structure only, never a private value.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/optimiser.h"
#include "engine/dpsgd/trained_tensor.h"

namespace torch::nn {
class Module;
}

namespace velamen::dpsgd {

/// Refused when the model has a batch norm (it mixes samples), parameters of several types, or one
/// that requires a gradient and is not among `trained`.
Result<> check_module(const torch::nn::Module& module, const TrainedTensors& trained);

/// Refused when two selected tensors share memory, one is not a floating-point leaf with
/// requires_grad, or a name occurs twice or never.
Result<> check_trained(const TrainedTensors& trained);

/// Selected tensors that no record of the last backward pass names, in the order of `trained`.
std::vector<std::string> unrecorded(const GradTape& tape, const TrainedTensors& trained);

/// After a dry backward pass (public random input), before the tape is cleared. Refused when a
/// selected tensor was not reached, except those listed in `dead` (known to have a zero gradient).
Result<> check_recorded(const GradTape& tape, const TrainedTensors& trained,
                        std::span<const std::string> dead = {});

/// After the first step: each selected tensor has to have moved.
Result<> check_moved(const StepReport& report, const TrainedTensors& trained);

/// Values of parameters outside the selection, to see after the first step that none of them moved.
class FrozenWatch {
public:
    FrozenWatch(const torch::nn::Module& module, const TrainedTensors& trained);
    /// Refused, naming the tensor, when a frozen one has changed.
    Result<> check() const;

private:
    struct Watched {
        std::string name;
        at::Tensor tensor;
        double sum = 0.0;
        double squares = 0.0;
    };
    std::vector<Watched> watched_;
};

} // namespace velamen::dpsgd
