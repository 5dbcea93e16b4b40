// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where the components of a checkpoint lie in its folder, and how the folder is written in one
// step. No tensors are interpreted here.

#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::checkpoint {

inline constexpr const char* kIndexFile = "model_index.json";
inline constexpr const char* kCardFile = "velamen.json";
inline constexpr const char* kScheduleFile = "scheduler/scheduler_config.json";
inline constexpr const char* kConfigFile = "config.json";

/// What the file of a component's weights is called in a new folder.
std::string weights_file_of(std::string_view component);

Result<io::Json> read_json(const std::filesystem::path& path);
Result<> write_json(const std::filesystem::path& path, const io::Json& json);

/// The weights of the component in `folder`, or NotFound. Of several files: fp32 before fp16,
/// safetensors before what torch writes, one file before shards.
Result<std::filesystem::path> find_weights(const std::filesystem::path& folder);
/// Whether a file of that name holds weights in some format.
bool is_weights_file(const std::filesystem::path& name);

/// Lets `write` fill a fresh folder beside `folder` and puts it there in one step. An earlier
/// checkpoint is replaced, but entries whose name starts with a dot are kept; any other folder with
/// content is Refused. After a failure nothing has changed.
Result<> replace_folder(const std::filesystem::path& folder,
                        const std::function<Result<>(const std::filesystem::path& aside)>& write);

/// A synced copy of one file.
Result<> copy_synced(const std::filesystem::path& from, const std::filesystem::path& to,
                     const std::stop_token& stop = {});

/// Cancelled once a stop was requested.
Result<> unless_stopped(const std::stop_token& stop);

} // namespace velamen::checkpoint
