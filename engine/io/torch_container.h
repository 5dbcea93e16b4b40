// SPDX-License-Identifier: GPL-3.0-or-later
//
// The two containers of torch.save, down to what they have in common: one pickle that describes
// tensors and the bytes of the storages that it names. TorchFile makes tensors of them.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/pickle.h"

namespace velamen::io {

/// Borrowed from the file. `storages[i]` are the bytes of `pickle.storages[i]`, exactly as many as
/// it needs, little-endian.
struct TorchContainer {
    Pickle pickle;
    std::vector<std::span<const std::byte>> storages;
};

/// A zip of <folder>/data.pkl, <folder>/data/<key> and, since torch 2.0, <folder>/byteorder.
Result<TorchContainer> read_torch_zip(std::span<const std::byte> file);

/// What torch wrote before 1.6: five pickles (magic, version, machine, object, keys), then each
/// storage as an 8-byte count of elements and its bytes, in the order of the keys.
Result<TorchContainer> read_torch_legacy(std::span<const std::byte> file);

} // namespace velamen::io
