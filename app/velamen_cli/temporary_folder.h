// SPDX-License-Identifier: GPL-3.0-or-later
//
// A folder that lasts as long as a benchmark.

#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include <stdlib.h>

namespace velamen::app {

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

} // namespace velamen::app
