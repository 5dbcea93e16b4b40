// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which texts are special, and whether they are looked for before or after normalization, follows
// what transformers 5 makes of the same folder.

#include "engine/text/clip_vocabulary.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/io/json.h"
#include "engine/text/vocabulary_file.h"

namespace velamen::text {

namespace {

namespace fs = std::filesystem;
using io::Json;

constexpr std::size_t kClipLength = 77;
constexpr std::int64_t kMostLength = 1024;
constexpr const char* kStart = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";

/// transformers' names of special tokens, in the order in which it adds them.
constexpr std::array kRoles{"bos_token", "eos_token", "unk_token", "sep_token",
                            "pad_token", "cls_token", "mask_token"};

struct SpecialText {
    std::string text;
    bool in_normalized = false;
};
using Roles = std::map<std::string, SpecialText, std::less<>>;

Roles usual_roles()
{
    return {{"bos_token", {kStart}},
            {"eos_token", {kEnd}},
            {"unk_token", {kEnd}},
            {"pad_token", {kEnd}}};
}

/// The two sides of a line "in g</w>".
std::optional<std::pair<std::string_view, std::string_view>> sides_of(std::string_view line)
{
    const std::size_t space = line.find(' ');
    if (space == 0 || space == std::string_view::npos || space + 1 == line.size()
        || line.find(' ', space + 1) != std::string_view::npos)
        return std::nullopt;
    return std::pair(line.substr(0, space), line.substr(space + 1));
}

/// Of a token, hence of UTF-8.
std::u32string code_points(std::string_view text)
{
    std::u32string points;
    while (!text.empty()) {
        const auto [value, bytes] = first_of(text);
        points += value;
        text.remove_prefix(bytes);
    }
    return points;
}

/// Adds or, when its text is there, replaces: transformers keeps the manner of the last one.
void put(std::vector<SpecialToken>& specials, const SpecialText& special, std::int32_t id)
{
    std::erase_if(specials, [&](const SpecialToken& other) { return other.id == id; });
    specials.push_back({code_points(special.text), id, special.in_normalized});
}

/// Numbers the roles. `extra`: special texts without a role.
Result<ClipVocabulary> with_specials(const fs::path& path, const Vocabulary& vocabulary,
                                     Roles roles, const std::vector<SpecialText>& extra,
                                     const ClipOptions& options)
{
    if (options.padding) roles["pad_token"] = {*options.padding};
    const auto id_of = [&](const std::string& text) -> Result<std::int32_t> {
        const auto found = vocabulary.find(text);
        if (found != vocabulary.end() && !text.empty()) return found->second;
        return fail(ErrorCode::Unsupported,
                    path.filename().string() + ": the special token \"" + text
                        + "\" is not in the vocabulary",
                    "added tokens (textual inversion) are not handled: use the checkpoint's own "
                    "tokenizer");
    };
    std::vector<SpecialToken> specials;
    for (const SpecialText& special : extra) {
        VELAMEN_ASSIGN(const std::int32_t id, id_of(special.text));
        put(specials, special, id);
    }
    std::map<std::string, std::int32_t, std::less<>> ids;
    for (const char* role : kRoles) {
        const auto found = roles.find(role);
        if (found == roles.end()) continue;
        VELAMEN_ASSIGN(const std::int32_t id, id_of(found->second.text));
        ids[role] = id;
        put(specials, found->second, id);
    }
    const Frame frame{ids["bos_token"], ids["eos_token"], ids["pad_token"], kClipLength};
    const bool pads_only = frame.padding != frame.start && frame.padding != frame.end
        && frame.padding != ids["unk_token"];
    if (!options.padding_is_special && pads_only)
        std::erase_if(specials, [&](const SpecialToken& s) { return s.id == frame.padding; });
    return ClipVocabulary{BytePairs(vocabulary, ids["unk_token"]), std::move(specials), frame,
                          vocabulary.size()};
}

/// A JSON document of the folder; null when it is not there.
Result<Json> read_json(const fs::path& path)
{
    std::error_code unknown;
    if (!fs::exists(path, unknown)) return Json();
    VELAMEN_ASSIGN(const std::string text, read_vocabulary_file(path));
    auto json = Json::parse(text);
    if (!json) return bad_vocabulary(path, json.error().message);
    if (!json->is_object()) return bad_vocabulary(path, "it is not an object");
    return std::move(*json);
}

Result<Vocabulary> read_ids(const fs::path& path)
{
    VELAMEN_ASSIGN(const Json json, read_json(path));
    if (!json.is_object()) return bad_vocabulary(path, "it is gone");
    const auto& members = *json.if_object();
    Vocabulary vocabulary;
    std::vector<bool> is_taken(members.size());
    for (const auto& [token, value] : members) {
        const std::int64_t* id = value.if_integer();
        if (id == nullptr || *id < 0 || *id >= static_cast<std::int64_t>(members.size()))
            return bad_vocabulary(path,
                                  "the id of \"" + token
                                      + "\" is not below the number of "
                                        "tokens, "
                                      + std::to_string(members.size()));
        if (is_taken[static_cast<std::size_t>(*id)])
            return bad_vocabulary(path, "two tokens have the id " + std::to_string(*id));
        is_taken[static_cast<std::size_t>(*id)] = true;
        vocabulary.emplace(token, static_cast<std::int32_t>(*id));
    }
    return vocabulary;
}

/// A special token as a text, or as an object with its manner.
Result<SpecialText> read_special(const fs::path& path, const Json& json)
{
    if (const std::string* text = json.if_string()) return SpecialText{*text};
    const auto text = json.text("content");
    const auto in_normalized = json.flag("normalized");
    if (!text || !in_normalized)
        return bad_vocabulary(path,
                              "a special token has no content or does not say whether it is "
                              "looked for in normalized text");
    for (const char* manner : {"lstrip", "rstrip", "single_word"}) {
        const auto is_set = json.flag_or(manner, false);
        if (!is_set) return bad_vocabulary(path, is_set.error().message);
        if (*is_set)
            return fail(ErrorCode::Unsupported,
                        path.filename().string() + ": " + manner + " of the special token \""
                            + *text + "\" is not handled",
                        "use the checkpoint's own tokenizer");
    }
    return SpecialText{*text, *in_normalized};
}

Result<> read_roles(const fs::path& path, const Json& json, Roles& roles)
{
    for (const char* role : kRoles)
        if (const Json* value = json.find(role); value != nullptr && !value->is_null()) {
            VELAMEN_ASSIGN(roles[role], read_special(path, *value));
        }
    for (const char* more : {"additional_special_tokens", "extra_special_tokens"}) {
        const Json* value = json.find(more);
        if (value == nullptr || value->is_null() || *value == Json::array()
            || *value == Json::object())
            continue;
        return fail(ErrorCode::Unsupported,
                    path.filename().string() + ": " + more + " are not handled",
                    "use the checkpoint's own tokenizer");
    }
    return {};
}

/// Special tokens by id, as newer versions of transformers write them: these say the manner.
Result<std::vector<SpecialText>> read_added(const fs::path& path, const Json& added,
                                            const Vocabulary& vocabulary, Roles& roles)
{
    std::vector<SpecialText> specials;
    if (!added.is_object()) return bad_vocabulary(path, "added_tokens_decoder is not an object");
    for (const auto& [key, value] : *added.if_object()) {
        VELAMEN_ASSIGN(SpecialText special, read_special(path, value));
        if (const auto found = vocabulary.find(special.text);
            found != vocabulary.end() && std::to_string(found->second) != key)
            return bad_vocabulary(path,
                                  "the token \"" + special.text + "\" has the id " + key
                                      + " here and " + std::to_string(found->second)
                                      + " in vocab.json");
        for (auto& [role, text] : roles)
            if (text.text == special.text) text = special;
        specials.push_back(std::move(special));
    }
    return specials;
}

Result<std::size_t> read_length(const fs::path& path, const Json& config)
{
    const Json* value = config.find("model_max_length");
    // transformers writes 1e30 where nobody said a length.
    if (value == nullptr || value->is_null() || (value->is_number() && !value->is_integer()))
        return kClipLength;
    const std::int64_t* length = value->if_integer();
    if (length == nullptr || *length < 3 || *length > kMostLength)
        return bad_vocabulary(path,
                              "model_max_length is not from 3 to " + std::to_string(kMostLength));
    return static_cast<std::size_t>(*length);
}

} // namespace

Result<ClipVocabulary> read_merges(const fs::path& file, const ClipOptions& options)
{
    VELAMEN_ASSIGN(const std::string text, read_vocabulary_file(file));
    const auto lines = lines_of(text);
    if (lines.empty() || lines[0].find("#version") == std::string_view::npos)
        return bad_vocabulary(file, "the first line is not a heading with \"#version\"");
    if (lines.size() < 1 + kClipMerges)
        return bad_vocabulary(file,
                              "it has " + std::to_string(lines.size() - 1)
                                  + " merges, CLIP's vocabulary needs "
                                  + std::to_string(kClipMerges));

    Vocabulary vocabulary;
    const auto add = [&](std::string token) {
        return vocabulary.emplace(std::move(token), static_cast<std::int32_t>(vocabulary.size()))
            .second;
    };
    for (const std::string_view end : {std::string_view(), kEndOfWord})
        for (const std::uint8_t byte : byte_order())
            add(byte_symbol(byte) + std::string(end));
    std::vector<std::array<std::int32_t, 3>> merges;
    merges.reserve(kClipMerges);
    for (std::size_t i = 1; i <= kClipMerges; ++i) {
        const auto sides = sides_of(lines[i]);
        if (!sides) return bad_line(file, i + 1, "is not two tokens with one space between them");
        const auto left = vocabulary.find(sides->first);
        const auto right = vocabulary.find(sides->second);
        if (left == vocabulary.end() || right == vocabulary.end())
            return bad_line(file, i + 1, "merges a token that no line before it makes");
        const auto id = static_cast<std::int32_t>(vocabulary.size());
        merges.push_back({left->second, right->second, id});
        if (!add(std::string(sides->first) + std::string(sides->second)))
            return bad_line(file, i + 1, "makes a token that is there already");
    }
    add(kStart);
    add(kEnd);

    VELAMEN_ASSIGN(ClipVocabulary clip,
                   with_specials(file, vocabulary, usual_roles(), {}, options));
    for (const auto& [left, right, merged] : merges)
        clip.pairs.add_merge(left, right, merged);
    return clip;
}

Result<ClipVocabulary> read_folder(const fs::path& folder, const ClipOptions& options)
{
    const auto vocabulary_path = folder / "vocab.json", merges_path = folder / "merges.txt";
    std::error_code unknown;
    for (const auto& path : {vocabulary_path, merges_path})
        if (!fs::exists(path, unknown))
            return fail(ErrorCode::NotFound,
                        "the tokenizer in " + folder.string() + " has no "
                            + path.filename().string(),
                        fs::exists(folder / "tokenizer.json", unknown)
                            ? "tokenizer.json alone is not read: add vocab.json and merges.txt of "
                              "the same tokenizer"
                            : "copy the whole tokenizer folder of the checkpoint");
    VELAMEN_ASSIGN(const Vocabulary vocabulary, read_ids(vocabulary_path));

    const auto config_path = folder / "tokenizer_config.json";
    const auto map_path = folder / "special_tokens_map.json";
    const auto added_path = folder / "added_tokens.json";
    VELAMEN_ASSIGN(const Json config, read_json(config_path));
    VELAMEN_ASSIGN(const std::size_t length, read_length(config_path, config));
    Roles roles = usual_roles();
    VELAMEN_TRY(read_roles(config_path, config, roles));
    std::vector<SpecialText> extra;
    if (const Json* added = config.find("added_tokens_decoder")) {
        VELAMEN_ASSIGN(extra, read_added(config_path, *added, vocabulary, roles));
    } else {
        VELAMEN_ASSIGN(const Json map, read_json(map_path));
        VELAMEN_TRY(read_roles(map_path, map, roles));
        if (fs::exists(added_path, unknown))
            return fail(
                ErrorCode::Unsupported,
                "the tokenizer in " + folder.string() + " has an added_tokens.json",
                "added tokens (textual inversion) are not handled: use the checkpoint's own "
                "tokenizer");
    }
    VELAMEN_ASSIGN(ClipVocabulary clip,
                   with_specials(folder, vocabulary, std::move(roles), extra, options));
    clip.frame.length = length;

    VELAMEN_ASSIGN(const std::string text, read_vocabulary_file(merges_path));
    const auto lines = lines_of(text);
    const bool has_heading = !lines.empty() && lines[0].starts_with("#version");
    for (std::size_t i = has_heading ? 1 : 0; i < lines.size(); ++i) {
        const auto sides = sides_of(lines[i]);
        if (!sides)
            return bad_line(merges_path, i + 1, "is not two tokens with one space between them");
        const auto left = vocabulary.find(sides->first);
        const auto right = vocabulary.find(sides->second);
        const auto merged = vocabulary.find(std::string(sides->first) + std::string(sides->second));
        if (left == vocabulary.end() || right == vocabulary.end() || merged == vocabulary.end())
            return bad_line(merges_path, i + 1, "has a token that is not in vocab.json");
        if (!clip.pairs.add_merge(left->second, right->second, merged->second))
            return bad_line(merges_path, i + 1, "repeats a merge");
    }
    return clip;
}

} // namespace velamen::text
