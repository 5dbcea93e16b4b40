// SPDX-License-Identifier: GPL-3.0-or-later
//
// What torch means by a persistent id and by the arguments of _rebuild_tensor_v2: checked records
// instead of objects. Part of the interpreter in pickle.cpp.

#pragma once

#include <span>
#include <string>

#include "engine/io/pickle.h"

namespace velamen::io {

/// The error is the cause alone; the interpreter adds where it was.
template <class T>
using Parsed = tl::expected<T, std::string>;

/// ('storage', type, key, location, numel), in legacy files followed by None.
Parsed<StorageRecord> parse_storage(const Pickle& pickle, const PickleValue& persistent_id);

/// (storage, offset, size, stride, requires_grad, backward_hooks[, metadata]).
Parsed<TensorRecord> parse_tensor(const Pickle& pickle, std::span<const PickleValue> arguments);

/// The tensor of (data, requires_grad, backward_hooks).
Parsed<PickleTensor> parse_parameter(const Pickle& pickle, std::span<const PickleValue> arguments);

} // namespace velamen::io
