// SPDX-License-Identifier: GPL-3.0-or-later
//
// Files that are never half-written: written aside, synced, renamed. Locks between processes.

#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "engine/core/result.h"

namespace velamen::core {

Result<std::string> read_file(const std::filesystem::path& path);

/// Replaces `path` in one step: after a crash either the old or the new content is there.
/// NoSpace when the disk is full; the old content is then untouched.
Result<> write_file(const std::filesystem::path& path, std::string_view content);
Result<> write_file(const std::filesystem::path& path, std::span<const std::byte> content);

/// A file written piece by piece that appears under its name only at commit().
/// Destroying it without commit() leaves nothing behind. Move only, one thread.
class AtomicFile {
public:
    static Result<AtomicFile> create(const std::filesystem::path& path);
    ~AtomicFile();
    AtomicFile(AtomicFile&& other) noexcept;
    AtomicFile& operator=(AtomicFile&& other) noexcept;

    Result<> write(std::span<const std::byte> bytes);
    Result<> write(std::string_view text);
    /// fsync, rename, fsync of the folder.
    Result<> commit();

private:
    AtomicFile() = default;
    void discard() noexcept;
    int descriptor_ = -1;
    std::filesystem::path path_;
    std::filesystem::path aside_;
};

/// A file that only grows; each append is on the disk when append() returns.
class AppendFile {
public:
    static Result<AppendFile> open(const std::filesystem::path& path);
    ~AppendFile();
    AppendFile(AppendFile&& other) noexcept;
    AppendFile& operator=(AppendFile&& other) noexcept;

    Result<> append(std::string_view text);

private:
    AppendFile() = default;
    int descriptor_ = -1;
    std::filesystem::path path_;
};

/// An exclusive lock of a file, held until destruction or the end of the process.
class FileLock {
public:
    /// Busy when another process (or another FileLock of this one) holds it.
    static Result<FileLock> acquire(const std::filesystem::path& path);
    ~FileLock();
    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&& other) noexcept;

private:
    FileLock() = default;
    int descriptor_ = -1;
};

/// Creates `path` and its parents; `private_mode` sets 0700 on it.
Result<> make_directory(const std::filesystem::path& path, bool private_mode = false);

/// $XDG_DATA_HOME/velamen, by default ~/.local/share/velamen.
std::filesystem::path user_data_directory();

} // namespace velamen::core
