// SPDX-License-Identifier: GPL-3.0-or-later
//
// The safetensors container as bytes: strict reader (memory-mapped) and atomic writer. No tensors
// here; tensor/convert.h turns the bytes into them.

#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/core/result.h"
#include "engine/io/mapped_file.h"

namespace velamen::io {

/// A stored tensor; `bytes` is borrowed (little-endian, row-major, maybe unaligned).
struct TensorView {
    std::string name;
    DType dtype = DType::F32;
    Shape shape;
    std::span<const std::byte> bytes;
};

/// An open file. The views stay valid as long as it lives. Immutable: any thread may read.
class SafetensorsFile {
public:
    /// Corrupt with the cause ("truncated: header needs 812 bytes, file has 640", "git-lfs
    /// pointer", "tensor a overlaps b", ...). Duplicate keys, holes and overlaps are refused.
    static Result<SafetensorsFile> open(const std::filesystem::path& path);
    ~SafetensorsFile();
    SafetensorsFile(SafetensorsFile&&) noexcept;
    SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

    /// In the order of the data.
    const std::vector<TensorView>& tensors() const noexcept;
    const TensorView* find(std::string_view name) const noexcept;
    const std::map<std::string, std::string>& metadata() const noexcept;

    /// What the views lie in.
    const MappedFile& mapping() const noexcept;

private:
    struct State;
    explicit SafetensorsFile(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Writes aside, syncs, renames. `written` hears of each tensor whose bytes are not needed any
/// more; an error of it ends the writing, and nothing stays.
Result<> write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                           const std::map<std::string, std::string>& metadata = {},
                           const std::function<Result<>(const TensorView&)>& written = {});

} // namespace velamen::io
