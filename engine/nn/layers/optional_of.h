// SPDX-License-Identifier: GPL-3.0-or-later
//
// What autograd's custom functions want in place of an undefined tensor.

#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

namespace velamen::nn {

/// A custom function does not take an undefined tensor.
inline std::optional<at::Tensor> optional_of(const at::Tensor& tensor)
{
    return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

} // namespace velamen::nn
