// SPDX-License-Identifier: GPL-3.0-or-later
//
// What fuzzers share: the input as text, a check that stays in a release build, and a limit for
// what a reader may allocate.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <sanitizer/allocator_interface.h>

namespace velamen::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size)
{
    return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program, which libFuzzer reports together with the input.
inline void require(bool holds, const char* what)
{
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

/// While it lives, an allocation of more than `times` the input, or 4 MiB where that is more, ends
/// the program: no number in a file may make a reader ask for more memory than the file is worth.
/// One at a time, one thread.
class AllocationLimit {
public:
    explicit AllocationLimit(std::size_t input, std::size_t times = 2)
    {
        static const int installed = __sanitizer_install_malloc_and_free_hooks(seen, freed);
        require(installed != 0, "the allocator can be watched");
        most() = std::max(times * input, kAlways);
    }
    ~AllocationLimit() { most() = 0; }
    AllocationLimit(const AllocationLimit&) = delete;
    AllocationLimit& operator=(const AllocationLimit&) = delete;

private:
    static constexpr std::size_t kAlways = std::size_t{4} << 20; // a pickle may hold 65,536 values
    static std::size_t& most()
    {
        static std::size_t bytes = 0; // 0: no limit
        return bytes;
    }
    static void seen(const volatile void*, std::size_t size)
    {
        if (most() == 0 || size <= most()) return;
        most() = 0; // what follows may allocate
        require(false, "an allocation is within its limit");
    }
    static void freed(const volatile void*) {}
};

} // namespace velamen::fuzz
