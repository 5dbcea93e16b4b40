// SPDX-License-Identifier: GPL-3.0-or-later
//
// Options and loop that sample, export and demo share.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/velamen_cli/commands.h"
#include "engine/generate/generation.h"
#include "engine/release/release.h"

namespace velamen::app {

struct SamplingOptions {
    std::vector<std::string> classes; ///< empty: all
    std::vector<std::string> prompts; ///< in place of classes
    std::string negative;
    int count = 8; ///< images of each class or prompt
    std::uint64_t seed = 0;
    double guidance = 0.3;
    double rescale = 0.0;
    std::int64_t imageSize = 0;
    int steps = 20;
    double eta = 0.0;
    std::string sampler = "ddim";
};

void addSamplingOptions(CLI::App& command, SamplingOptions& options);

/// Draws count images of each class or prompt, one after the other.
Result<std::vector<release::ReleaseImage>> drawImages(const std::filesystem::path& checkpoint,
                                                      const SamplingOptions& options,
                                                      const Context& context);

/// A sheet with one row a class, `columns` images each, as a PNG.
Result<> writeSheet(const std::vector<release::ReleaseImage>& images, int perClass, int columns,
                    const std::filesystem::path& png);

} // namespace velamen::app
