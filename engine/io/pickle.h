// SPDX-License-Identifier: GPL-3.0-or-later
//
// The pickles inside torch files, read as data. Nothing is executed, imported or constructed: the
// few calls that a dictionary of tensors consists of are recognised (pickle_globals.h) and written
// down as what they mean; any other name ends the reading. Bytes of tensors are not here.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/core/result.h"
#include "engine/io/pickle_globals.h"

namespace velamen::io {

/// A tuple, list or dictionary: `index` into Pickle::sequences. Items of a dictionary alternate,
/// key then value, in the order in which they were set; a key may be there twice.
struct PickleSequence {
    enum class Kind { Tuple, List, Dict } kind;
    std::size_t index;
};
struct PickleStorage {
    std::size_t index; ///< into Pickle::storages
};
struct PickleTensor {
    std::size_t index; ///< into Pickle::tensors
};
/// The result of a call of an inert global.
struct PickleInert {
    const KnownGlobal* global;
};

/// std::monostate is None. Texts are borrowed from the pickle: UTF-8, or bytes of an old file.
using PickleValue =
    std::variant<std::monostate, bool, std::int64_t, double, std::string_view, PickleSequence,
                 PickleStorage, PickleTensor, const KnownGlobal*, PickleInert>;

/// `numel` elements that lie elsewhere in the file, under `key`.
struct StorageRecord {
    std::string_view key;
    DType dtype = DType::F32;
    std::int64_t numel = 0;
};

/// A view into a storage, in elements. Checked: sizes, strides and offset are not negative, the
/// last element lies inside the storage, and there are no more elements than it has.
struct TensorRecord {
    std::size_t storage = 0;
    std::int64_t offset = 0;
    Shape shape;
    Shape strides;
};

/// What a pickle says. The values may refer to each other in circles: walk them with a bound.
/// Immutable: any thread may read.
struct Pickle {
    PickleValue root;
    std::vector<std::vector<PickleValue>> sequences;
    std::vector<StorageRecord> storages; ///< each key once
    std::vector<TensorRecord> tensors;
    std::size_t size = 0; ///< bytes of the pickle, up to and with its STOP

    std::span<const PickleValue> items(PickleSequence sequence) const
    {
        return sequences[sequence.index];
    }
};

constexpr std::size_t kMaxTensorDims = 16;

/// Values that a pickle in a file of `file_bytes` may keep. With the growth of vectors one
/// allocation stays below twice the file, or below 4 MiB for small files.
std::size_t pickle_value_limit(std::size_t file_bytes) noexcept;

/// The pickle at the beginning of `bytes`, which may go on behind it; both have to outlive the
/// result. `name` is its name in messages, `file_bytes` the size of the file that it is part of.
///
/// Refused: a name that is not in the list ("refused global os.system in data.pkl"). Unsupported:
/// an opcode or protocol outside the subset. Corrupt: everything else. Iterative, so that no depth
/// of nesting exhausts the stack.
Result<Pickle> read_pickle(std::span<const std::byte> bytes, std::string_view name,
                           std::size_t file_bytes);

} // namespace velamen::io
