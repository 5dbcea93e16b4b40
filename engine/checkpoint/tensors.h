// SPDX-License-Identifier: GPL-3.0-or-later
//
// The tensors of a loaded checkpoint under the names that selections use. For code with torch;
// checkpoint.h is for everybody.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/checkpoint.h"

namespace velamen::checkpoint {

/// The parameters of UNet ("unet/<key>") and conditioner ("class_embedder/<key>"), in graph order.
/// They share memory with the modules. After load() none of them requires grad: whoever trains
/// turns it on for the selected ones.
std::vector<std::pair<std::string, at::Tensor>> named_tensors(Checkpoint& checkpoint);

} // namespace velamen::checkpoint
