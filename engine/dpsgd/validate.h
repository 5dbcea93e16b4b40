// SPDX-License-Identifier: GPL-3.0-or-later
//
// Checks that fail closed before and during a private run: what the clipper bounds has to be what
// the model trains. They read structure only, never a private value.

#pragma once

#include <cstdint>
#include <functional>
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

/// Refused, naming the layer or tensor, when the model has a layer that mixes the samples of a
/// batch or keeps statistics of them, parameters of several types, one that requires a gradient and
/// is not among `trained`, or one that shares its memory with a trained one.
Result<> check_module(const torch::nn::Module& module, const TrainedTensors& trained);

/// Refused when two selected tensors share memory, one overlaps itself or is not a floating-point
/// leaf with requires_grad, their types differ, or a name occurs twice or never.
Result<> check_trained(const TrainedTensors& trained);

/// The losses of a dry pass over these rows of a public pool: [n] int64  ->  [n].
using RowLosses = std::function<at::Tensor(const at::Tensor& rows)>;

/// Refused when the loss of a row changes with the row beside it: some layer mixes the samples of a
/// batch, whatever its name is. Two passes of two rows, out of a pool of three.
Result<> check_independence(const RowLosses& losses_of);

/// Selected tensors that no record of the last backward pass names, in the order of `trained`.
std::vector<std::string> unrecorded(const GradTape& tape, const TrainedTensors& trained);

/// After a dry backward pass (public random input), before the tape is cleared. Refused when a
/// selected tensor was not reached, except those listed in `dead` (known to have a zero gradient).
Result<> check_recorded(const GradTape& tape, const TrainedTensors& trained,
                        std::span<const std::string> dead = {});

/// After the first step: each selected tensor has to have moved.
Result<> check_moved(const StepReport& report, const TrainedTensors& trained);

/// Values of parameters outside the selection and of buffers, to see after the first step that none
/// of them moved.
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
