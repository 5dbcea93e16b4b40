// SPDX-License-Identifier: GPL-3.0-or-later
//
// A whole file as read-only bytes. It is mapped, not read: opening costs the same for any size, and
// only the pages that are looked at come from the disk.

#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "engine/core/result.h"

namespace velamen::io {

/// Move only; any thread may read. A file that another process shortens meanwhile ends the program
/// (SIGBUS), as for every mapping.
class MappedFile {
public:
    /// NotFound, or Unreadable (a folder, no permission). An empty file maps to no bytes.
    static Result<MappedFile> open(const std::filesystem::path& path);
    MappedFile() = default;
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;

    /// Borrowed: valid as long as this object or what it was moved to.
    std::span<const std::byte> bytes() const noexcept
    {
        return {static_cast<const std::byte*>(data_), size_};
    }

    /// Gives back the memory of whole pages inside `part` of bytes(): reading it again reads the
    /// file.
    void give_back(std::span<const std::byte> part) const noexcept;

    /// The same file once more, from its first byte, as memory of the caller's own: a page that is
    /// written becomes a private copy, the others stay the file's. Null when it cannot be mapped.
    std::shared_ptr<std::byte> copy_on_write() const;

private:
    void* data_ = nullptr;
    std::size_t size_ = 0;
    int descriptor_ = -1;
};

/// Gives back the memory of whole pages inside [data, data + size) of a copy_on_write(): what was
/// written there is lost, and reading it again reads the file.
void forget_pages(std::byte* data, std::size_t size) noexcept;

} // namespace velamen::io
