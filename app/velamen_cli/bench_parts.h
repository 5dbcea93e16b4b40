// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the benchmarks of training share: a clock, and spent steps of a ledger that is gone after.

#pragma once

#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>

#include <stdlib.h>

#include "engine/privacy/ledger.h"

namespace velamen::app {

template <class Job>
double secondsOf(const Job& job)
{
    const auto start = std::chrono::steady_clock::now();
    job();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// `path` is empty where no folder could be made.
struct TemporaryFolder {
    std::filesystem::path path;
    TemporaryFolder()
    {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "velamen-bench-XXXXXX").string();
        if (const char* made = mkdtemp(pattern.data())) path = made;
    }
    ~TemporaryFolder()
    {
        std::error_code ignored;
        if (!path.empty()) std::filesystem::remove_all(path, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

/// Charged for nobody's images to a ledger in the folder.
inline Result<privacy::ReservedSteps> benchSteps(const TemporaryFolder& folder, std::int64_t steps)
{
    VELAMEN_ASSIGN(privacy::LedgerStore store, privacy::LedgerStore::open(folder.path));
    const std::string image = "none";
    const core::Digest hash = store.hash_unit(std::as_bytes(std::span(image)));
    VELAMEN_ASSIGN(privacy::Ledger ledger, store.join({&hash, 1}));
    return ledger.reserve(
        "bench", 1, "image", privacy::Neighbours::ZeroOut,
        {.rate = 0.5, .noise_gradient = 1.0, .noise_effective = 1.0, .steps = steps});
}

} // namespace velamen::app
