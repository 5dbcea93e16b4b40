// SPDX-License-Identifier: GPL-3.0-or-later
//
// Named tensors in any container that weights are published in, behind one door: safetensors, an
// index of shards, torch's zip and legacy files.

#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/core/result.h"
#include "engine/io/mapped_file.h"
#include "engine/io/tensor_header.h"

namespace velamen::io {

/// An open file. Immutable: any thread may read.
class TensorFile {
public:
    /// What the file is, is told by its first bytes; an index by ending in ".json". Errors of the
    /// containers' own openers.
    static Result<std::shared_ptr<const TensorFile>> open(const std::filesystem::path& path);
    virtual ~TensorFile() = default;

    const std::vector<TensorHeader>& tensors() const noexcept { return tensors_; }
    /// Index into tensors(), or its size.
    std::size_t find(std::string_view name) const noexcept;
    /// Little-endian, row-major, maybe unaligned: where they lie in the file, or put in order in
    /// `buffer`. Valid as long as both.
    virtual std::span<const std::byte> bytes(std::size_t index,
                                             std::vector<std::byte>& buffer) const = 0;
    /// Gives back the memory of what bytes() has shown: a pass over all tensors then needs that of
    /// one. Reading them again reads the file.
    void give_back(std::span<const std::byte> part) const noexcept;
    /// Memory of the caller's own with the tensor's bytes, row-major: pages that are not written
    /// stay the file's and cost nothing. The same memory each time; null where they do not lie so
    /// in a file.
    std::shared_ptr<std::byte> own(std::size_t index) const;
    /// Of a safetensors file; {"format": "pt"} otherwise.
    const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
    /// Whole numbers that stand beside the tensors ("global_step").
    const std::map<std::string, std::int64_t>& numbers() const noexcept { return numbers_; }
    /// All files that it consists of, for whoever copies or hashes them.
    const std::vector<std::filesystem::path>& files() const noexcept { return files_; }

protected:
    TensorFile() = default;
    /// The files that bytes() may lie in.
    virtual std::vector<const MappedFile*> mappings() const = 0;
    /// Once, by the containers.
    void describe(std::vector<TensorHeader> tensors, std::vector<std::filesystem::path> files);
    std::map<std::string, std::int64_t> numbers_;
    std::map<std::string, std::string> metadata_{{"format", "pt"}};

private:
    /// The file that `part` lies in, or null.
    const MappedFile* mapping_of(std::span<const std::byte> part) const;
    std::vector<TensorHeader> tensors_;
    std::map<std::string, std::size_t, std::less<>> index_;
    std::vector<std::filesystem::path> files_;
    mutable std::mutex mutex_;
    mutable std::map<const MappedFile*, std::shared_ptr<std::byte>> copies_; // guarded by mutex_
};

} // namespace velamen::io
