// SPDX-License-Identifier: GPL-3.0-or-later
//
// Bytes of a file become a tensor and back. No files here and no change of element type.

#pragma once

#include <cstddef>
#include <span>

#include <ATen/core/Tensor.h>

#include "engine/core/dtype.h"

namespace velamen::tensor {

/// A CPU tensor that owns a copy of `bytes` (little-endian, row-major, maybe unaligned).
/// bytes.size() must be the product of `shape` times the element size.
at::Tensor to_tensor(DType dtype, const Shape& shape, std::span<const std::byte> bytes);

/// The same without a copy where `bytes` are aligned: they have to outlive it, and nobody may
/// write.
at::Tensor borrowed(DType dtype, const Shape& shape, std::span<const std::byte> bytes);

/// The element type; only types that safetensors can hold.
DType dtype_of(const at::Tensor& tensor);
at::ScalarType scalar_type_of(DType dtype) noexcept;
Shape shape_of(const at::Tensor& tensor);

/// The tensor's own memory, borrowed: it must be contiguous and on the CPU.
std::span<const std::byte> bytes_of(const at::Tensor& tensor);

} // namespace velamen::tensor
