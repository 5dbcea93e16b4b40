// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reads what a CLIP tokenizer consists of, from OpenAI's list of merges or a folder of diffusers.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/text/byte_pairs.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/text/special_tokens.h"

namespace velamen::text {

/// Merges of OpenAI's list that are used: 49,408 ids less 2 x 256 bytes and two special ones.
constexpr std::size_t kClipMerges = 48'894;

struct ClipVocabulary {
    BytePairs pairs;
    std::vector<SpecialToken> specials; ///< their texts as they were written, not normalized
    Frame frame;
    std::size_t size = 0;
};

Result<ClipVocabulary> read_merges(const std::filesystem::path& file, const ClipOptions& options);
Result<ClipVocabulary> read_folder(const std::filesystem::path& folder, const ClipOptions& options);

} // namespace velamen::text
