// SPDX-License-Identifier: GPL-3.0-or-later
//
// Exceptions of torch and the standard library become errors here, at the module's edge.

#pragma once

#include <exception>
#include <new>
#include <string>

#include "engine/core/result.h"

namespace velamen::checkpoint {

/// Runs `work` (which returns a Result); `doing` completes "... failed".
template <class Work>
auto guarded(const std::string& doing, Work&& work) noexcept -> decltype(work())
{
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, doing + " ran out of memory",
                    "close other programs, or choose a smaller model");
    } catch (const std::exception& e) {
        const std::string text = e.what();
        if (text.find("can't allocate memory") != std::string::npos)
            return fail(ErrorCode::OutOfMemory, doing + " ran out of memory",
                        "close other programs, or choose a smaller model");
        return fail(ErrorCode::Internal, doing + " failed: " + text.substr(0, text.find('\n')));
    }
}

} // namespace velamen::checkpoint
