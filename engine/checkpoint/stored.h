// SPDX-License-Identifier: GPL-3.0-or-later
//
// The tensors of one component as they lie in files, under diffusers' names: some are stored under
// another name or as rows of other tensors. Bytes only.

#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/io/tensor_file.h"
#include "engine/keymap/tensors.h"

namespace velamen::checkpoint {

/// Rows of tensors of the file, by their index in TensorFile::tensors(); all of a tensor without
/// dimensions is one row.
using StoredRows = keymap::Piece;
using StoredTensor = keymap::Mapped;

/// The bytes of some rows of a tensor of `shape` whose bytes are `all`.
std::span<const std::byte> rows_of(std::span<const std::byte> all, const Shape& shape,
                                   std::int64_t first, std::int64_t count);

/// Immutable: any thread may read.
class StoredTensors {
public:
    /// All tensors of the file as they are.
    explicit StoredTensors(std::shared_ptr<const io::TensorFile> file);
    StoredTensors(std::shared_ptr<const io::TensorFile> file, std::vector<StoredTensor> tensors);

    const std::vector<StoredTensor>& all() const noexcept { return tensors_; }
    const StoredTensor* find(std::string_view name) const noexcept;
    /// Row-major, maybe unaligned: in the file where they lie together, else put together in
    /// `buffer`. Valid as long as both.
    std::span<const std::byte> bytes(const StoredTensor& tensor,
                                     std::vector<std::byte>& buffer) const;
    /// TensorFile::own() of a tensor that is one of the file's, whole; null otherwise.
    std::shared_ptr<std::byte> own(const StoredTensor& tensor) const;
    /// Whether it is one tensor of the file, whole.
    bool is_whole(const StoredTensor& tensor) const noexcept;
    const std::shared_ptr<const io::TensorFile>& file() const noexcept { return file_; }

private:
    std::shared_ptr<const io::TensorFile> file_;
    std::vector<StoredTensor> tensors_;
    std::map<std::string, std::size_t, std::less<>> index_;
};

} // namespace velamen::checkpoint
