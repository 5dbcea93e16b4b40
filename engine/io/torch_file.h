// SPDX-License-Identifier: GPL-3.0-or-later
//
// Checkpoints written by torch.save (.ckpt, .pt, .pth, .bin), as names and bytes. Nothing in them
// is executed (pickle.h). Only reading: what Velamen writes is safetensors.

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/core/result.h"
#include "engine/io/mapped_file.h"

namespace velamen::io {

/// A stored tensor as a view: the element at index (i, j, ...) starts at byte
/// (i*strides[0] + j*strides[1] + ...) * size_of(dtype) of `bytes`, which reach from the first to
/// the last element. Borrowed (little-endian, maybe unaligned); views may share bytes.
struct TorchTensor {
    std::string name;
    DType dtype = DType::F32;
    Shape shape;
    Shape strides; ///< in elements, not negative
    std::span<const std::byte> bytes;

    /// Row-major without gaps: `bytes` are what a TensorView of the same shape has.
    bool is_contiguous() const noexcept;
};

/// The elements of `tensor` row-major: its own bytes when they lie so, else a copy in `buffer`.
/// Never more than its storage has. Valid as long as both.
std::span<const std::byte> row_major(const TorchTensor& tensor, std::vector<std::byte>& buffer);

/// An open file. The views stay valid as long as it lives. Immutable: any thread may read.
class TorchFile {
public:
    using Number = std::variant<std::int64_t, double>;

    /// Costs the pickle's and the directory's time, whatever the tensors' size. The dictionary of
    /// tensors is looked for through "state_dict" as long as there is one; it holds tensors, and
    /// numbers and texts beside them.
    ///
    /// Corrupt with the cause ("truncated: ...", "git-lfs pointer", "a safetensors file named
    /// .ckpt", ...), Refused for a name or object that is not a tensor's ("refused global os.system
    /// in data.pkl"), Unsupported for what torch could read and this does not.
    static Result<TorchFile> open(const std::filesystem::path& path);
    ~TorchFile();
    TorchFile(TorchFile&&) noexcept;
    TorchFile& operator=(TorchFile&&) noexcept;

    /// In the order of the dictionary.
    const std::vector<TorchTensor>& tensors() const noexcept;
    const TorchTensor* find(std::string_view name) const noexcept;
    /// Numbers beside the tensors and around their dictionary: "epoch", "global_step", ... The
    /// outer one where a name is there twice.
    const std::map<std::string, Number, std::less<>>& numbers() const noexcept;

    /// What the views lie in.
    const MappedFile& mapping() const noexcept;

private:
    struct State;
    explicit TorchFile(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::io
