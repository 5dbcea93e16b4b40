// SPDX-License-Identifier: GPL-3.0-or-later
//
// Byte order is assumed to be little-endian, as in safetensors and on every machine we build for.

#include "engine/tensor/convert.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include <ATen/ATen.h>

#include "engine/core/assert.h"

namespace velamen::tensor {

static_assert(std::endian::native == std::endian::little);

at::ScalarType scalar_type_of(DType dtype) noexcept
{
    switch (dtype) {
    case DType::F64:
        return at::kDouble;
    case DType::F32:
        return at::kFloat;
    case DType::F16:
        return at::kHalf;
    case DType::BF16:
        return at::kBFloat16;
    case DType::I64:
        return at::kLong;
    case DType::I32:
        return at::kInt;
    case DType::I16:
        return at::kShort;
    case DType::I8:
        return at::kChar;
    case DType::U8:
        return at::kByte;
    case DType::Bool:
        return at::kBool;
    }
    return at::kFloat;
}

DType dtype_of(const at::Tensor& tensor)
{
    for (DType dtype : {DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64, DType::I32,
                        DType::I16, DType::I8, DType::U8, DType::Bool})
        if (scalar_type_of(dtype) == tensor.scalar_type()) return dtype;
    VELAMEN_ASSERT(!"a tensor type that files can hold");
    return DType::F32;
}

Shape shape_of(const at::Tensor& tensor) { return tensor.sizes().vec(); }

at::Tensor to_tensor(DType dtype, const Shape& shape, std::span<const std::byte> bytes)
{
    at::Tensor out = at::empty(shape, at::TensorOptions().dtype(scalar_type_of(dtype)));
    VELAMEN_ASSERT(out.nbytes() == bytes.size());
    if (!bytes.empty()) std::memcpy(out.data_ptr(), bytes.data(), bytes.size());
    return out;
}

at::Tensor borrowed(DType dtype, const Shape& shape, std::span<const std::byte> bytes)
{
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    if (bytes.empty() || address % size_of(dtype) != 0) return to_tensor(dtype, shape, bytes);
    // from_blob() wants a pointer to write through; nobody does.
    auto* data = const_cast<std::byte*>(bytes.data());
    at::Tensor out = at::from_blob(data, shape, at::TensorOptions().dtype(scalar_type_of(dtype)));
    VELAMEN_ASSERT(out.nbytes() == bytes.size());
    return out;
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor)
{
    VELAMEN_ASSERT(tensor.device().is_cpu() && tensor.is_contiguous());
    return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

} // namespace velamen::tensor
