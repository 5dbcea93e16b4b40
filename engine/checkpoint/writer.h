// SPDX-License-Identifier: GPL-3.0-or-later
//
// Writes a checkpoint that did not exist before (public training). Tuned copies of an existing one
// are written by Checkpoint::save_tuned.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/dtype.h"

namespace torch::nn {
class Module;
}

namespace velamen::checkpoint {

struct NewComponent {
    std::string name; ///< its folder: "unet", "vae", "class_embedder", "text_encoder"
    io::Json config;
    const torch::nn::Module& weights; ///< borrowed for the call
};

struct NewCheckpoint {
    std::vector<NewComponent> components;
    const diffusion::Schedule& schedule;
    const Card& card;
    std::filesystem::path tokenizer{}; ///< a folder to copy, or empty
};

/// The whole folder, loadable by diffusers component by component; weights as `dtype` (F32 or F16).
/// Written beside `folder` and renamed; an earlier checkpoint there is replaced, anything else is
/// refused. InvalidArgument when the components do not fit each other.
Result<> save_new(const std::filesystem::path& folder, const NewCheckpoint& made, DType dtype);

} // namespace velamen::checkpoint
