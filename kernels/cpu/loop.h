// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a compiler is told of a loop, in the words of each compiler.

#pragma once

/// Before a loop whose turns do not depend on each other, although its pointers could overlap.
#ifdef __clang__
#define VELAMEN_INDEPENDENT_TURNS _Pragma("clang loop vectorize(assume_safety)")
#else
#define VELAMEN_INDEPENDENT_TURNS _Pragma("GCC ivdep")
#endif
