// SPDX-License-Identifier: GPL-3.0-or-later
//
// Preconditions that only our own code can break. Always on: a wrong guarantee is worse than a
// stop.

#pragma once

namespace velamen::core {

/// Prints the condition and its place, never a value, and ends the program.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

} // namespace velamen::core

#define VELAMEN_ASSERT(condition)                                                                  \
    ((condition) ? static_cast<void>(0)                                                            \
                 : ::velamen::core::assertion_failed(#condition, __FILE__, __LINE__))
