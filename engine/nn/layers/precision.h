// SPDX-License-Identifier: GPL-3.0-or-later
//
// Mixed precision: activations and the weights of frozen convolutions and
// linear layers in bfloat16, trained weights, norms and all sums in fp32. A
// layer computes in the type of its input and converts a parameter that has
// another one; which model does so is not decided here.

#pragma once

#include <ATen/core/Tensor.h>

namespace torch::nn {
class Module;
}

namespace velamen::nn {

/// `parameter` in the type of `x`: itself when it has it (or is undefined).
/// Autograd sees the conversion, so a trained fp32 parameter gets an fp32
/// gradient.
at::Tensor in_type_of(const at::Tensor& x, const at::Tensor& parameter);

/// Stores the parameters of all convolutions and linear layers below `root`
/// that are not trained in bfloat16. Rounds them for good: a file written from
/// them afterwards holds the rounded values.
void store_frozen_in_bfloat16(torch::nn::Module& root);

} // namespace velamen::nn
