// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/core/assert.h"

#include <cstdio>
#include <cstdlib>

namespace velamen::core {

void assertion_failed(const char* condition, const char* file, int line) noexcept
{
    std::fprintf(stderr, "velamen: internal error: %s does not hold (%s:%d)\n", condition, file,
                 line);
    std::abort();
}

} // namespace velamen::core
