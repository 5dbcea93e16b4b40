// SPDX-License-Identifier: GPL-3.0-or-later
//
// Element types of stored tensors, shared by files (io) and tensors (tensor).

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace velamen {

enum class DType { F64, F32, F16, BF16, I64, I32, I16, I8, U8, Bool };

using Shape = std::vector<std::int64_t>;

/// Bytes of one element.
std::size_t size_of(DType dtype) noexcept;
/// The name that safetensors uses: "F32", "BF16", "BOOL", ...
std::string_view name_of(DType dtype) noexcept;
std::optional<DType> dtype_of(std::string_view name) noexcept;

} // namespace velamen
