// SPDX-License-Identifier: GPL-3.0-or-later
//
// A checkpoint in another format: single files of CompVis's naming to folders and back, another
// element type, the moving average in place of the last step's weights.

#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/dtype.h"
#include "engine/core/result.h"

namespace velamen::checkpoint {

struct ConvertRequest {
    std::filesystem::path from; ///< a folder or a single file
    std::filesystem::path to;   ///< ending in ".safetensors" a single file, else a folder
    std::optional<DType> dtype; ///< F32, F16 or BF16; nothing: each tensor's own
    OpenOptions options;
};

/// A single file does not say what its UNet predicts or how many heads it has: whoever opens it has
/// to know. Written aside and renamed; an earlier checkpoint or file there is replaced, anything
/// else is refused. Gives notes for people: which weights were taken, what was left out. The first
/// problem of the checkpoint is the error; nothing is written then, nor after a stop (Cancelled).
Result<std::vector<std::string>> convert(const ConvertRequest& request,
                                         const std::stop_token& stop = {});

} // namespace velamen::checkpoint
