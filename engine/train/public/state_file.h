// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where a public training run stands, as one safetensors file that is never half-written. Holds
// everything in fp32; not a checkpoint.

#pragma once

#include <filesystem>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/train/public/adamw.h"

namespace velamen::train {

/// `header` goes into the file's metadata.
Result<> write_state(const std::filesystem::path& path, const NamedTensors& tensors,
                     const io::Json& header);

/// Without touching a tensor.
Result<io::Json> read_state_header(const std::filesystem::path& path);

/// Copies every tensor of the file into the tensor of the same name. Corrupt when a name is missing
/// on either side or a shape differs; nothing is copied then.
Result<> read_state(const std::filesystem::path& path, const NamedTensors& tensors);

} // namespace velamen::train
