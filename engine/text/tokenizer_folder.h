// SPDX-License-Identifier: GPL-3.0-or-later
//
// The tokenizer/ of a checkpoint that is written anew, as transformers reads it. Its files are made
// from the vocabularies that Velamen carries; `length`: ids to a prompt.

#pragma once

#include <cstdint>
#include <filesystem>

#include "engine/core/result.h"

namespace velamen::text {

/// vocab.json, merges.txt, special_tokens_map.json and tokenizer_config.json of CLIPTokenizer, from
/// OpenAI's bpe_simple_vocab_16e6.txt; padded with "<|endoftext|>" as in Stable Diffusion 1.
Result<> write_clip_folder(const std::filesystem::path& merges, const std::filesystem::path& folder,
                           std::int64_t length = 77);

/// vocab.txt and tokenizer_config.json of BertTokenizer, uncased.
Result<> write_bert_folder(const std::filesystem::path& vocabulary,
                           const std::filesystem::path& folder, std::int64_t length = 77);

} // namespace velamen::text
