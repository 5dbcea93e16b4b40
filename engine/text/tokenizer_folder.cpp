// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/tokenizer_folder.h"

#include <cstdint>
#include <string>
#include <utility>

#include "engine/core/file.h"
#include "engine/io/json.h"
#include "engine/text/byte_pairs.h"
#include "engine/text/clip_vocabulary.h"
#include "engine/text/vocabulary_file.h"

namespace velamen::text {

namespace {

namespace fs = std::filesystem;
using io::Json;

constexpr const char* kStart = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";

Result<> write_json(const fs::path& path, const Json& json)
{
    return core::write_file(path, json.dump(2) + "\n");
}

} // namespace

Result<> write_clip_folder(const fs::path& merges, const fs::path& folder, std::int64_t length)
{
    VELAMEN_ASSIGN(const std::string text, read_vocabulary_file(merges));
    const auto lines = lines_of(text);
    if (lines.size() < kClipMerges + 1) return bad_vocabulary(merges, "it has too few merges");
    Json::Object ids; // in their order
    const auto number = [&](const std::string& token) {
        ids.emplace_back(token, static_cast<std::int64_t>(ids.size()));
    };
    for (const std::uint8_t byte : byte_order())
        number(byte_symbol(byte));
    for (const std::uint8_t byte : byte_order())
        number(byte_symbol(byte) + std::string(kEndOfWord));
    std::string kept = "#version: 0.2\n";
    for (std::size_t i = 1; i <= kClipMerges; ++i) {
        std::string token(lines[i]);
        kept += token + "\n";
        token.erase(token.find(' '), 1);
        number(token);
    }
    number(kStart);
    number(kEnd);
    Json specials = Json::object();
    for (const char* role : {"bos_token", "eos_token", "pad_token", "unk_token"})
        specials[role] = role == std::string("bos_token") ? kStart : kEnd;
    Json config = specials;
    config["model_max_length"] = length;
    config["tokenizer_class"] = "CLIPTokenizer";
    VELAMEN_TRY(core::make_directory(folder));
    VELAMEN_TRY(core::write_file(folder / "merges.txt", kept));
    VELAMEN_TRY(write_json(folder / "vocab.json", Json(std::move(ids))));
    VELAMEN_TRY(write_json(folder / "special_tokens_map.json", specials));
    return write_json(folder / "tokenizer_config.json", config);
}

Result<> write_bert_folder(const fs::path& vocabulary, const fs::path& folder, std::int64_t length)
{
    VELAMEN_ASSIGN(const std::string text, read_vocabulary_file(vocabulary));
    Json config = Json::object();
    config["do_lower_case"] = true;
    config["model_max_length"] = length;
    config["tokenizer_class"] = "BertTokenizer";
    VELAMEN_TRY(core::make_directory(folder));
    VELAMEN_TRY(core::write_file(folder / "vocab.txt", text));
    return write_json(folder / "tokenizer_config.json", config);
}

} // namespace velamen::text
