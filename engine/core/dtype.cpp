// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/core/dtype.h"

#include <array>
#include <utility>

namespace velamen {

namespace {

struct Entry {
    DType dtype;
    std::string_view name;
    std::size_t size;
};

constexpr std::array<Entry, 10> kEntries{{
    {DType::F64, "F64", 8},
    {DType::F32, "F32", 4},
    {DType::F16, "F16", 2},
    {DType::BF16, "BF16", 2},
    {DType::I64, "I64", 8},
    {DType::I32, "I32", 4},
    {DType::I16, "I16", 2},
    {DType::I8, "I8", 1},
    {DType::U8, "U8", 1},
    {DType::Bool, "BOOL", 1},
}};

const Entry& entry(DType dtype) noexcept { return kEntries[static_cast<std::size_t>(dtype)]; }

} // namespace

std::size_t size_of(DType dtype) noexcept { return entry(dtype).size; }

std::string_view name_of(DType dtype) noexcept { return entry(dtype).name; }

std::optional<DType> dtype_of(std::string_view name) noexcept
{
    for (const Entry& e : kEntries)
        if (e.name == name) return e.dtype;
    return std::nullopt;
}

} // namespace velamen
