// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/out_of_memory.h"

#include <new>
#include <string_view>

#include <c10/util/Exception.h>

namespace velamen::dpsgd {

bool is_out_of_memory(const std::exception& error) noexcept
{
    if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr
        || dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr)
        return true;
    // LibTorch's CPU allocator has no type of its own for this.
    constexpr std::string_view kCpuText = "DefaultCPUAllocator: can't allocate memory";
    return std::string_view(error.what()).find(kCpuText) != std::string_view::npos;
}

} // namespace velamen::dpsgd
