// SPDX-License-Identifier: GPL-3.0-or-later
//
// A checkpoint on disk, opened: what its components are and where their tensors lie. Headers and
// configs are read, no tensor is.

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/role.h"
#include "engine/checkpoint/stored.h"
#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::checkpoint {

struct Component {
    std::string
        name; ///< its folder: "unet", "vae", "vqvae", "class_embedder", "text_encoder", "bert"
    std::string kind; ///< class name as its config says it
    io::Json config;
    StoredTensors tensors;
    bool owns_file = true; ///< whether its file holds nothing of other components
};

/// Which of a component's tensors training changes are called "<name>/<key>".
struct Opened {
    std::filesystem::path path; ///< a folder in diffusers' layout, or one file
    std::optional<Component> unet, autoencoder, conditioner;
    std::filesystem::path tokenizer; ///< a folder, or empty
    io::Json scheduler;
    Card card;
    bool has_card = false;
    std::vector<std::string> notes; ///< what was chosen where there was a choice
    std::vector<Error> problems;    ///< in the order in which they were met

    const std::optional<Component>& of(Role role) const;
};

/// NotFound when there is nothing, Corrupt or Unsupported when nothing can be shown; whatever else
/// is wrong is a problem of the result.
Result<Opened> open_checkpoint(const std::filesystem::path& path, const OpenOptions& options = {});
/// One of its components alone; the first problem that it has is the error.
Result<Component> open_component(const std::filesystem::path& path, Role role,
                                 const OpenOptions& options = {});

/// diffusers' AutoencoderTiny, in a folder beside the autoencoder's own: it shows images while they
/// are drawn. NotFound without one.
inline constexpr const char* kTinyFolder = "vae_tiny";
Result<Component> open_tiny_autoencoder(const std::filesystem::path& folder);

/// Without what files carry beside the parameters that the modules have, and under today's names.
std::vector<StoredTensor> in_our_names(const std::string& kind, std::vector<StoredTensor> tensors);

/// The class that a config names: diffusers says "_class_name", transformers "architectures". Empty
/// without either.
std::string class_of(const io::Json& config);

/// How model_index.json lists a component of that class: its library and its class.
io::Json index_entry(const std::string& component, const std::string& kind);

/// The way out where an autoencoder is absent (Incomplete).
inline constexpr const char* kTakeAutoencoder =
    "say which folder or file to take it from (velamen-cli: --vae)";

/// Whether a UNet of this config takes no context.
bool is_unconditional(const Component& unet);

} // namespace velamen::checkpoint
