// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where the parts of a checkpoint lie in its folder, and how the folder is written in one step. No
// tensors are interpreted here.

#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace velamen::checkpoint {

struct Part {
    const char* name;
    const char* weights;
    const char* kind;    ///< class name in config.json
    const char* library; ///< as model_index.json says it
};

inline constexpr Part kUNet{"unet", "diffusion_pytorch_model.safetensors", "UNet2DConditionModel",
                            "diffusers"};
inline constexpr Part kAutoencoder{"vae", "diffusion_pytorch_model.safetensors", "AutoencoderKL",
                                   "diffusers"};
inline constexpr Part kClassEmbedder{"class_embedder", "model.safetensors", "ClassEmbedder",
                                     "velamen"};
inline constexpr std::array kParts{kUNet, kAutoencoder, kClassEmbedder};

inline constexpr const char* kIndexFile = "model_index.json";
inline constexpr const char* kCardFile = "velamen.json";
inline constexpr const char* kScheduleFile = "scheduler/scheduler_config.json";

Result<io::Json> read_json(const std::filesystem::path& path);
/// The part's config.json; its class name must be the expected one when it states one.
Result<io::Json> read_config(const std::filesystem::path& folder, const Part& part);
Result<io::SafetensorsFile> open_weights(const std::filesystem::path& folder, const Part& part);

/// SHA-256 over the SHA-256 of the parts' weights and configurations in the order of kParts: with
/// other head counts the same weights are another model.
Result<std::string> fingerprint(const std::filesystem::path& folder);

/// Lets `write` fill a fresh folder beside `folder` and puts it there in one step. An earlier
/// checkpoint is replaced, but entries whose name starts with a dot are kept; any other folder with
/// content is Refused. After a failure nothing has changed.
Result<> replace_folder(const std::filesystem::path& folder,
                        const std::function<Result<>(const std::filesystem::path& aside)>& write);

/// A synced copy of one file.
Result<> copy_synced(const std::filesystem::path& from, const std::filesystem::path& to);

} // namespace velamen::checkpoint
