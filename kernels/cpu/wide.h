// SPDX-License-Identifier: GPL-3.0-or-later
//
// Vectors of 512 bits (x86-64-v4), for kernels whose code names the width. The compiler's own
// clones of that level stay with 256 bits.

#pragma once

// VELAMEN_HAS_WIDE_CLONES speaks for the compiler of the build; clang-tidy, which reads its flags,
// does not know these words.
#if defined(VELAMEN_HAS_WIDE_CLONES) && !defined(__clang__)
#define VELAMEN_WIDE_CLONE __attribute__((target("arch=x86-64-v4,prefer-vector-width=512")))
#else
#define VELAMEN_WIDE_CLONE
#endif

namespace velamen::kernels::cpu {

/// Whether functions that are marked VELAMEN_WIDE_CLONE may run on this machine.
inline bool has_wide_vectors() noexcept
{
#if defined(VELAMEN_HAS_WIDE_CLONES) && !defined(__clang__)
    static const bool has = __builtin_cpu_supports("x86-64-v4") > 0;
    return has;
#else
    return false;
#endif
}

} // namespace velamen::kernels::cpu
