// SPDX-License-Identifier: GPL-3.0-or-later
//
// A checkpoint written again as a folder in diffusers' layout: tuned tensors in place of the stored
// ones, another element type, or a single file taken apart.

#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/checkpoint/opened.h"
#include "engine/core/dtype.h"

namespace torch::nn {
class Module;
}

namespace velamen::checkpoint {

struct Rewrite {
    const Component& component;
    const torch::nn::Module* module = nullptr; ///< borrowed; null: every tensor as it is stored
    std::set<std::string> trained{};  ///< "<component>/<key>" of those that come from the module
    std::optional<DType> dtype{};     ///< nothing: each tensor's own
    std::optional<io::Json> config{}; ///< in place of the stored one
};

/// Fills `aside` with all of `opened`: the components in `rewrites` as they say, every other file
/// byte for byte. Of components that are rewritten no other variant of the weights is taken over.
/// Unsupported when a value does not fit its element type, Cancelled after a stop.
Result<> write_again(const std::filesystem::path& aside, const Opened& opened,
                     const std::vector<Rewrite>& rewrites, const Card& card,
                     const std::stop_token& stop = {});

} // namespace velamen::checkpoint
