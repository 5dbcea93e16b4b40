// SPDX-License-Identifier: GPL-3.0-or-later
//
// Vectors of 512 bits (x86-64-v4), for kernels whose code names the width. The compiler's own
// clones of that level stay with 256 bits.

#pragma once

namespace velamen::kernels::cpu {

/// Whether functions that are marked VELAMEN_WIDE_CLONE may run on this machine.
inline bool has_wide_vectors() noexcept
{
#ifdef VELAMEN_HAS_WIDE_CLONES
    static const bool has = __builtin_cpu_supports("x86-64-v4") > 0;
    return has;
#else
    return false;
#endif
}

} // namespace velamen::kernels::cpu
