// SPDX-License-Identifier: GPL-3.0-or-later
//
// The two vocabularies that come with the program, and CLIP's as the files of a checkpoint.

#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/text/bert_tokenizer.h"
#include "engine/text/byte_pairs.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/text/vocabulary_file.h"

namespace velamen::text::test {

inline const std::filesystem::path kVocabularies =
    std::filesystem::path(VELAMEN_SOURCE_DIR) / "resources/vocabularies";
inline const std::filesystem::path kMerges = kVocabularies / "clip_bpe_16e6.txt";
inline const std::filesystem::path kWordPieces = kVocabularies / "bert_base_uncased_vocab.txt";

/// Opened once: reading 48,894 merges takes longer than most tests.
inline const ClipTokenizer& clip()
{
    static const ClipTokenizer tokenizer = ClipTokenizer::open(kMerges).value();
    return tokenizer;
}

inline const BertTokenizer& bert()
{
    static const BertTokenizer tokenizer = BertTokenizer::open(kWordPieces).value();
    return tokenizer;
}

inline std::vector<std::int32_t> ids_of(const std::vector<Token>& tokens)
{
    std::vector<std::int32_t> ids;
    for (const Token& token : tokens)
        ids.push_back(token.id);
    return ids;
}

/// Texts of a JSON document that needs no escapes but these.
inline std::string quoted(const std::string& text)
{
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

/// vocab.json for `tokens` in their order.
inline std::string vocabulary_json(const std::vector<std::string>& tokens)
{
    std::string json = "{";
    for (std::size_t i = 0; i < tokens.size(); ++i)
        json += (i > 0 ? "," : "") + quoted(tokens[i]) + ":" + std::to_string(i);
    return json + "}";
}

/// A special token as transformers 4 writes it.
inline std::string special_json(const std::string& text, bool in_normalized)
{
    return "{\"content\":" + quoted(text) + ",\"lstrip\":false,\"normalized\":"
        + (in_normalized ? "true" : "false") + ",\"rstrip\":false,\"single_word\":false}";
}

using Files = std::map<std::string, std::string>;

/// The tokenizer/ of Stable Diffusion: all of CLIP's vocabulary, and the padding of one version.
inline Files clip_files(const std::string& padding)
{
    const std::string text = core::read_file(kMerges).value();
    const auto lines = lines_of(text);
    std::vector<std::string> tokens;
    for (const std::string end : {"", "</w>"})
        for (const std::uint8_t byte : byte_order())
            tokens.push_back(byte_symbol(byte) + end);
    std::string merges = "#version: 0.2\n";
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const std::string line(lines[i]);
        const auto space = line.find(' ');
        tokens.push_back(line.substr(0, space) + line.substr(space + 1));
        merges += line + "\n";
    }
    tokens.insert(tokens.end(), {"<|startoftext|>", "<|endoftext|>"});
    const std::string end = special_json("<|endoftext|>", true);
    return {{"vocab.json", vocabulary_json(tokens)},
            {"merges.txt", merges},
            {"tokenizer_config.json",
             R"({"model_max_length":77,"pad_token":"<|endoftext|>","do_lower_case":true})"},
            {"special_tokens_map.json",
             "{\"bos_token\":" + special_json("<|startoftext|>", true) + ",\"eos_token\":" + end
                 + ",\"unk_token\":" + end + ",\"pad_token\":" + quoted(padding) + "}"}};
}

inline void write_files(const std::filesystem::path& folder, const Files& files)
{
    for (const auto& [name, content] : files)
        EXPECT_TRUE(core::write_file(folder / name, content));
}

} // namespace velamen::text::test
