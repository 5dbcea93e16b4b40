// SPDX-License-Identifier: GPL-3.0-or-later
//
// The oracle is Hugging Face's fast tokenizers: tests/goldens/make_tokenizer_goldens.py. Code
// points are compared where Unicode 15.0 assigns them, which is what ICU 72 (Debian 12) knows; the
// reference knows more, and of what is not assigned here it may say another class.

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "engine/core/hash.h"
#include "engine/io/json.h"
#include "engine/text/unicode.h"
#include "tests/engine/text/vocabularies.h"
#include "tests/support/temp_dir.h"

namespace velamen::text {
namespace {

using io::Json;
using Ids = std::vector<std::int32_t>;

Json golden(const std::string& name)
{
    const auto path = std::filesystem::path(VELAMEN_SOURCE_DIR) / "tests/goldens/text" / name;
    return Json::parse(core::read_file(path).value()).value();
}

std::string joined(const Ids& ids)
{
    std::string text;
    for (const std::int32_t id : ids)
        text += (text.empty() ? "" : " ") + std::to_string(id);
    return text;
}

/// As the script writes it: the first digits of the SHA-256 of a line of ids for each text.
std::string digest(const std::vector<Ids>& lists)
{
    std::string text;
    for (std::size_t i = 0; i < lists.size(); ++i)
        text += (i > 0 ? "\n" : "") + joined(lists[i]);
    return core::sha256_hex(text).substr(0, 8);
}

Ids ids_in(const Json& json)
{
    Ids ids;
    for (const Json& id : *json.if_array())
        ids.push_back(static_cast<std::int32_t>(*id.if_integer()));
    return ids;
}

template <class Tokenizer>
Ids ids_of(const Tokenizer& tokenizer, const std::string& text)
{
    const auto tokens = tokenizer.tokens(text);
    EXPECT_TRUE(tokens) << tokens.error().message;
    return tokens ? test::ids_of(*tokens) : Ids();
}

template <class Tokenizer>
void expect_strings(const Tokenizer& tokenizer, const std::string& name)
{
    const Json strings = golden("strings.json");
    const Json::Array& texts = *strings.find("texts")->if_array();
    ASSERT_GE(texts.size(), 5000U);
    std::vector<Ids> ours;
    for (const Json& text : texts)
        ours.push_back(ids_of(tokenizer, *text.if_string()));

    const Json::Array& in_full = *strings.find(name + "_ids")->if_array();
    ASSERT_GE(in_full.size(), 300U);
    for (std::size_t i = 0; i < in_full.size(); ++i)
        EXPECT_EQ(ours[i], ids_in(in_full[i])) << texts[i].dump();

    const auto group = static_cast<std::size_t>(strings.integer("group").value());
    const Json::Object& hashes = *strings.find(name + "_hashes")->if_object();
    ASSERT_EQ(hashes.size(), (texts.size() + group - 1) / group);
    for (const auto& [first, hash] : hashes) {
        const auto begin = static_cast<std::size_t>(std::stoul(first));
        const auto end = std::min(begin + group, texts.size());
        const std::vector<Ids> lists(ours.begin() + static_cast<std::ptrdiff_t>(begin),
                                     ours.begin() + static_cast<std::ptrdiff_t>(end));
        if (digest(lists) == *hash.if_string()) continue;
        for (std::size_t i = begin; i < end; ++i)
            ADD_FAILURE() << "one of a group: " << texts[i].dump() << " -> " << joined(ours[i]);
    }

    const Json::Array& long_texts = *strings.find("long_texts")->if_array();
    const Json::Array& encodings = *strings.find(name + "_long")->if_array();
    ASSERT_EQ(long_texts.size(), encodings.size());
    for (std::size_t i = 0; i < encodings.size(); ++i) {
        const auto encoding = tokenizer.encode(*long_texts[i].if_string());
        ASSERT_TRUE(encoding);
        EXPECT_EQ(encoding->ids, ids_in(*encodings[i].find("ids"))) << i;
        EXPECT_EQ(encoding->dropped, encodings[i].integer("dropped").value()) << i;
        EXPECT_EQ(encoding->cut_at, encodings[i].integer("cut_at").value()) << i;
    }
}

template <class Tokenizer>
void expect_code_points(const Tokenizer& tokenizer, const std::string& name)
{
    const Json points = golden("code_points.json");
    const auto block = static_cast<char32_t>(points.integer("block").value());
    std::map<char32_t, std::vector<Ids>> ours;
    std::size_t count = 0;
    for (const Json& range : *points.find("assigned")->if_array()) {
        const Ids ends = ids_in(range);
        for (auto point = static_cast<char32_t>(ends[0]); point <= static_cast<char32_t>(ends[1]);
             ++point) {
            std::string one;
            append_utf8(point, one);
            ours[point / block * block].push_back(
                ids_of(tokenizer, one + " a\u0301" + one + "\u0334b"));
            ++count;
        }
    }
    EXPECT_GT(count, 280'000U);
    const Json::Object& hashes = *points.find(name)->if_object();
    ASSERT_EQ(hashes.size(), ours.size());
    for (const auto& [first, hash] : hashes) {
        const auto begin = static_cast<char32_t>(std::strtoul(first.c_str(), nullptr, 16));
        EXPECT_EQ(digest(ours[begin]), *hash.if_string()) << "code points from " << first;
    }
}

TEST(TokenizerGoldens, ClipGivesTheIdsOfTheReference) { expect_strings(test::clip(), "clip"); }

TEST(TokenizerGoldens, ClipFromTheFolderOfStableDiffusion1GivesTheIdsOfTheReference)
{
    const velamen::test::TempDir dir;
    test::write_files(dir.path(), test::clip_files("<|endoftext|>"));
    expect_strings(ClipTokenizer::open(dir.path()).value(), "clip_sd1");
}

TEST(TokenizerGoldens, ClipFromTheFolderOfStableDiffusion2GivesTheIdsOfTheReference)
{
    const velamen::test::TempDir dir;
    test::write_files(dir.path(), test::clip_files("!"));
    expect_strings(ClipTokenizer::open(dir.path()).value(), "clip_sd2");
}

TEST(TokenizerGoldens, BertGivesTheIdsOfTheReference) { expect_strings(test::bert(), "bert"); }

TEST(TokenizerGoldens, ClipKnowsEveryCodePointAsTheReferenceDoes)
{
    expect_code_points(test::clip(), "clip");
}

TEST(TokenizerGoldens, BertKnowsEveryCodePointAsTheReferenceDoes)
{
    expect_code_points(test::bert(), "bert");
}

} // namespace
} // namespace velamen::text
