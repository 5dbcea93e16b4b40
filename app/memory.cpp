// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/memory.h"

#include <cstdlib>

#include <malloc.h>

namespace velamen::app {

void keepMemoryForReuse()
{
    constexpr int kMiB = 1 << 20;
    // Larger blocks are few, and apart they leave no holes: that keeps the peak where it was.
    mallopt(M_MMAP_THRESHOLD, 32 * kMiB);
    mallopt(M_TRIM_THRESHOLD, 1024 * kMiB);
    setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0); // read by LibTorch's allocator
}

} // namespace velamen::app
