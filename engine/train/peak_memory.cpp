// SPDX-License-Identifier: GPL-3.0-or-later
//
// /proc/self: VmHWM, and clear_refs, of which 5 resets it.

#include "engine/train/peak_memory.h"

#include <fstream>
#include <string>

#include <malloc.h>

namespace velamen::train {

double peak_gibibytes()
{
    std::ifstream status("/proc/self/status");
    constexpr const char* kKey = "VmHWM:";
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(kKey))
            return std::stod(line.substr(6)) * 1024.0 / kBytesPerGibibyte; // it counts KiB
    return 0.0;
}

void give_back_free_memory() { malloc_trim(0); }

void restart_peak()
{
    give_back_free_memory();
    std::ofstream("/proc/self/clear_refs") << "5";
}

} // namespace velamen::train
