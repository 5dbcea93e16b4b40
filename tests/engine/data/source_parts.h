// SPDX-License-Identifier: GPL-3.0-or-later
//
// Folders and zips of small images for tests.

#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "engine/archive/zip.h"
#include "engine/core/file.h"
#include "engine/data/source.h"

namespace velamen::data::testing {

/// A square PNG of one shade; shades of 256 and more differ in their size.
inline std::string png(int size, int shade = 0)
{
    size += shade / 256;
    image::Image image{.width = size, .height = size, .channels = 1};
    image.pixels.assign(static_cast<std::size_t>(size * size), static_cast<std::uint8_t>(shade));
    const auto bytes = image::encode_png(image);
    return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

using Files = std::map<std::string, std::string>;

inline void write(const std::filesystem::path& root, const Files& files)
{
    for (const auto& [name, content] : files) {
        std::filesystem::create_directories((root / name).parent_path());
        ASSERT_TRUE(core::write_file(root / name, content));
    }
}

inline void pack(const std::filesystem::path& path, const Files& files)
{
    auto zip = archive::ZipWriter::create(path);
    // Backwards, so that no order but our own makes the names sorted.
    for (auto file = files.rbegin(); file != files.rend(); ++file)
        ASSERT_TRUE(zip->add(file->first, file->second));
    ASSERT_TRUE(zip->commit());
}

/// No two of them alike, as long as `first` differs by `count` or more.
inline Files many(const std::string& prefix, int count, int first = 0)
{
    Files files;
    for (int i = 0; i < count; ++i)
        files[prefix + std::to_string(i) + ".png"] = png(8, first + i);
    return files;
}

inline Result<Manifest> scan(const std::filesystem::path& path, const ScanOptions& options = {})
{
    auto source = Source::open(path);
    if (!source) return fail(source.error());
    return (*source)->scan(options);
}

inline const Problem* find(const Manifest& manifest, ProblemKind kind)
{
    const auto found = std::find_if(manifest.problems.begin(), manifest.problems.end(),
                                    [&](const Problem& problem) { return problem.kind == kind; });
    return found == manifest.problems.end() ? nullptr : &*found;
}

} // namespace velamen::data::testing
