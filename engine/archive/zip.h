// SPDX-License-Identifier: GPL-3.0-or-later
//
// Zip files. The library behind it (QuaZip on Qt Core) is hidden in zip.cpp.

#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

namespace velamen::archive {

struct ZipEntry {
    std::string
        name; ///< with forward slashes; entries with "..", absolute or empty names are refused
    std::uint64_t size = 0;
};

/// An open zip. Not thread-safe.
class ZipReader {
public:
    static Result<ZipReader> open(const std::filesystem::path& path);
    ~ZipReader();
    ZipReader(ZipReader&&) noexcept;
    ZipReader& operator=(ZipReader&&) noexcept;

    /// Files only, in the order of the central directory.
    const std::vector<ZipEntry>& entries() const noexcept;
    /// The whole content, CRC checked; Refused over `limit` bytes.
    Result<std::vector<std::byte>> read(std::string_view name,
                                        std::uint64_t limit = std::uint64_t{1} << 30);

private:
    struct State;
    explicit ZipReader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Writes a zip aside; it appears under its name only at commit(). Timestamps are fixed
/// (1980-01-01), so that equal content gives equal bytes. PNG entries are stored, others deflated.
class ZipWriter {
public:
    static Result<ZipWriter> create(const std::filesystem::path& path);
    ~ZipWriter();
    ZipWriter(ZipWriter&&) noexcept;
    ZipWriter& operator=(ZipWriter&&) noexcept;

    Result<> add(const std::string& name, std::span<const std::byte> content);
    Result<> add(const std::string& name, std::string_view content);
    Result<> commit();

private:
    struct State;
    explicit ZipWriter(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::archive
