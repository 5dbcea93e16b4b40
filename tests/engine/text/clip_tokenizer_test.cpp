// SPDX-License-Identifier: GPL-3.0-or-later
//
// What is around the ids: files that are refused, prompts that are cut, and time. That the ids are
// right is golden_test.cpp's matter.

#include <thread>

#include <gtest/gtest.h>

#include "engine/text/unicode.h"
#include "tests/engine/text/vocabularies.h"
#include "tests/support/temp_dir.h"

namespace velamen::text {
namespace {

using velamen::test::TempDir;
using Ids = std::vector<std::int32_t>;

Ids ids_of(const ClipTokenizer& tokenizer, std::string_view prompt)
{
    return test::ids_of(tokenizer.tokens(prompt).value());
}

TEST(ClipTokenizer, FramesAndPadsAPrompt)
{
    const auto encoding = test::clip().encode("a photo of a cat").value();
    ASSERT_EQ(encoding.ids.size(), 77U);
    EXPECT_EQ(encoding.ids[0], 49406);
    EXPECT_EQ(Ids(encoding.ids.begin() + 1, encoding.ids.begin() + 6),
              (Ids{320, 1125, 539, 320, 2368}));
    EXPECT_EQ(Ids(encoding.ids.begin() + 6, encoding.ids.end()), Ids(71, 49407));
    EXPECT_EQ(encoding.dropped, 0U);
    EXPECT_EQ(encoding.cut_at, 16U);
    EXPECT_EQ(test::clip().length(), 77U);
    EXPECT_EQ(test::clip().vocabulary_size(), 49'408U);
}

TEST(ClipTokenizer, SaysWhereAPromptWasCut)
{
    std::string prompt = "é";
    for (int i = 0; i < 76; ++i)
        prompt += " a";
    const auto encoding = test::clip().encode(prompt).value();
    EXPECT_EQ(encoding.dropped, 2U);
    EXPECT_EQ(prompt.substr(encoding.cut_at), "a a");
    EXPECT_EQ(encoding.ids[75], 320);
    EXPECT_EQ(encoding.ids[76], 49407);
    const auto fits = test::clip().encode(prompt.substr(0, encoding.cut_at)).value();
    EXPECT_EQ(fits.dropped, 0U);
    EXPECT_EQ(fits.ids, encoding.ids);
}

TEST(ClipTokenizer, PadsWithAnotherTokenWhenTold)
{
    const auto as_diffusers = ClipTokenizer::open(test::kMerges, {.padding = "!"}).value();
    EXPECT_EQ(ids_of(as_diffusers, "! !! hello!"), (Ids{0, 0, 0, 3306, 0}));
    EXPECT_EQ(as_diffusers.encode("").value().ids[2], 0);
    const auto as_open_clip =
        ClipTokenizer::open(test::kMerges, {.padding = "!", .padding_is_special = false}).value();
    EXPECT_EQ(ids_of(as_open_clip, "! !! !!!"), (Ids{256, 748, 995}));
    EXPECT_EQ(as_open_clip.encode("").value().ids[2], 0);
    EXPECT_EQ(ids_of(as_open_clip, "<|endoftext|>"), (Ids{49407}));

    const auto unknown = ClipTokenizer::open(test::kMerges, {.padding = "<pad>"});
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().message.find("<pad>"), std::string::npos);
}

TEST(ClipTokenizer, ReadsOpenAisWholeListAsItsFirstPart)
{
    const TempDir dir;
    const std::string text = core::read_file(test::kMerges).value();
    const auto path = dir.path() / "bpe_simple_vocab_16e6.txt";
    ASSERT_TRUE(core::write_file(path, text + "ha bib</w>\n"));
    const auto whole = ClipTokenizer::open(path);
    ASSERT_TRUE(whole) << whole.error().message;
    EXPECT_EQ(whole->vocabulary_size(), 49'408U);
    EXPECT_EQ(ids_of(*whole, "habib jekyll"), ids_of(test::clip(), "habib jekyll"));
}

TEST(ClipTokenizer, RefusesAPromptThatIsNotUtf8)
{
    const auto encoding = test::clip().encode("caf\xe9");
    ASSERT_FALSE(encoding);
    EXPECT_EQ(encoding.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(encoding.error().message.find("byte 3"), std::string::npos);
    EXPECT_FALSE(test::clip().tokens(std::string(kLongestText + 1, 'a')));
}

TEST(ClipTokenizer, TakesLinearTimeForHugePrompts)
{
    // Anything quadratic takes an hour here.
    constexpr std::size_t many = 500'000;
    EXPECT_EQ(test::clip().encode(std::string(many, '!')).value().cut_at, 75U * 16U);
    EXPECT_GT(test::clip().encode(std::string(many, 'a')).value().dropped, many / 10);
    std::string words, marks = "a";
    for (std::size_t i = 0; i < many; ++i) {
        words += "a ";
        marks += i % 2 == 0 ? "\u0305" : "\u0316";
    }
    EXPECT_EQ(test::clip().encode(words).value().dropped, many - 75);
    EXPECT_GT(test::clip().encode(marks).value().dropped, many / 2);
}

TEST(ClipTokenizer, ServesManyThreads)
{
    const Ids expected = ids_of(test::clip(), "a photo of an astronaut");
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 100; ++round)
                EXPECT_EQ(ids_of(test::clip(), "a photo of an astronaut"), expected);
        });
}

struct Defect {
    const char* name;
    std::string text;
    const char* says; ///< a part of the message
};

TEST(ClipTokenizer, RefusesABrokenListOfMergesWithItsCause)
{
    const std::string good = core::read_file(test::kMerges).value();
    const auto body = good.find('\n') + 1;
    const auto with_first = [&](const std::string& line) { // instead of "i n"
        return good.substr(0, body) + line + good.substr(good.find('\n', body));
    };
    const std::vector<Defect> defects{
        {"empty", "", "heading"},
        {"no heading", good.substr(body), "heading"},
        {"a line less", good.substr(0, good.rfind('\n', good.size() - 2) + 1), "48893 merges"},
        {"packed", "\x1f\x8b\x08", "gzip"},
        {"not UTF-8", with_first("i \xff"), "not UTF-8"},
        {"one side", with_first("in"), "line 2 is not two tokens"},
        {"no left", with_first(" n"), "line 2 is not two tokens"},
        {"no right", with_first("i "), "line 2 is not two tokens"},
        {"three sides", with_first("i n g"), "line 2 is not two tokens"},
        {"unknown token", with_first("in g"), "line 2 merges a token that no line before it makes"},
        {"the same twice", with_first("t h"), "line 3 makes a token that is there already"},
    };
    const TempDir dir;
    const auto path = dir.path() / "merges.txt";
    for (const Defect& defect : defects) {
        ASSERT_TRUE(core::write_file(path, defect.text));
        const auto tokenizer = ClipTokenizer::open(path);
        ASSERT_FALSE(tokenizer) << defect.name;
        EXPECT_NE(tokenizer.error().message.find(defect.says), std::string::npos)
            << defect.name << ": " << tokenizer.error().message;
        EXPECT_NE(tokenizer.error().message.find("merges.txt"), std::string::npos) << defect.name;
        EXPECT_FALSE(tokenizer.error().hint.empty()) << defect.name;
    }
    EXPECT_EQ(ClipTokenizer::open(dir.path() / "none").error().code, ErrorCode::NotFound);
}

// ---- a folder, with a vocabulary of a few tokens ----

test::Files tiny_files()
{
    return {{"vocab.json",
             test::vocabulary_json({"a", "b", "a</w>", "b</w>", "ab</w>", "ba", "!",
                                    "<|startoftext|>", "<|endoftext|>"})},
            {"merges.txt", "#version: 0.2\na b</w>\nb a\n"},
            {"tokenizer_config.json", R"({"model_max_length": 8})"}};
}

Result<ClipTokenizer> open_files(const test::Files& files)
{
    const TempDir dir;
    test::write_files(dir.path(), files);
    return ClipTokenizer::open(dir.path());
}

TEST(ClipTokenizer, ReadsAFolderAndItsLength)
{
    const auto tiny = open_files(tiny_files());
    ASSERT_TRUE(tiny) << tiny.error().message;
    EXPECT_EQ(tiny->vocabulary_size(), 9U);
    EXPECT_EQ(tiny->encode("AB bab").value().ids, (Ids{7, 4, 1, 4, 8, 8, 8, 8}));
    EXPECT_EQ(ids_of(*tiny, "azb"), (Ids{0, 8, 3})) << "no symbol for z: the unknown token";
    auto files = tiny_files();
    files.erase("tokenizer_config.json");
    EXPECT_EQ(open_files(files)->length(), 77U);
    files["tokenizer_config.json"] = R"({"model_max_length": 1000000000000000019884624838656})";
    EXPECT_EQ(open_files(files)->length(), 77U);
}

TEST(ClipTokenizer, SplitsAtTheLongestSpecialToken)
{
    auto files = tiny_files();
    files["vocab.json"] =
        test::vocabulary_json({"a", "a</w>", "!", "!!", "<|startoftext|>", "<|endoftext|>"});
    files["merges.txt"] = "";
    files["special_tokens_map.json"] = R"({"pad_token":"!","mask_token":"!!"})";
    EXPECT_EQ(ids_of(open_files(files).value(), "a!!!a!"), (Ids{1, 3, 2, 1, 2}));
}

TEST(ClipTokenizer, TakesTheMannerOfSpecialTokensFromWhoSaysItLast)
{
    // The oracle of each is CLIPTokenizer.from_pretrained() of transformers 5.23.
    const std::string raw = test::special_json("<|endoftext|>", false),
                      normalized = test::special_json("<|endoftext|>", true);
    const auto found = [](const std::string& config, const std::string& map) {
        auto files = tiny_files();
        files["tokenizer_config.json"] = config;
        if (!map.empty()) files["special_tokens_map.json"] = map;
        return ids_of(open_files(files).value(), "<|EndOfText|>!").size() == 2;
    };
    EXPECT_FALSE(found("{}", "")) << "as it was written only";
    EXPECT_FALSE(found("{}", "{\"eos_token\":" + normalized + "}")) << "pad_token comes later";
    const std::string padded = R"("pad_token":"!")";
    EXPECT_FALSE(found("{" + padded + "}", "{\"eos_token\":" + normalized + "}"))
        << "so does unk_token";
    const std::string all =
        "\"eos_token\":" + normalized + ",\"unk_token\":" + normalized + "," + padded;
    EXPECT_TRUE(found("{" + all + "}", ""));
    EXPECT_TRUE(found("{}", "{" + all + "}"));
    EXPECT_FALSE(found("{" + all + R"(,"added_tokens_decoder":{"8":)" + raw + "}}", ""));
    EXPECT_TRUE(found("{" + padded + R"(,"added_tokens_decoder":{"8":)" + normalized + "}}",
                      R"({"pad_token":"<|endoftext|>"})"))
        << "the map is not read beside added_tokens_decoder";
}

TEST(ClipTokenizer, RefusesABrokenFolderWithItsCause)
{
    struct Change {
        const char* name;
        const char* file;
        std::string content; ///< "": the file is left out
        const char* says;
    };
    const std::string word = R"({"bos_token":{"content":"<|startoftext|>","normalized":true,)";
    const std::vector<Change> changes{
        {"no vocabulary", "vocab.json", "", "has no vocab.json"},
        {"no merges", "merges.txt", "", "has no merges.txt"},
        {"vocabulary is a list", "vocab.json", "[]", "not an object"},
        {"not JSON", "vocab.json", "{", "vocab.json"},
        {"a token twice", "vocab.json", R"({"a":0,"a":1})", "twice"},
        {"an id twice", "vocab.json", R"({"a":0,"b":0})", "two tokens have the id 0"},
        {"a hole", "vocab.json", R"({"a":0,"b":2})", "\"b\""},
        {"negative id", "vocab.json", R"({"a":-1})", "\"a\""},
        {"id is a text", "vocab.json", R"({"a":"0"})", "\"a\""},
        {"no special tokens", "vocab.json", R"({"a":0})", "<|startoftext|>"},
        {"unknown merge", "merges.txt", "#version\na c\n", "line 2 has a token that is not in"},
        {"unknown product", "merges.txt", "a a\n", "line 1 has a token that is not in"},
        {"merge twice", "merges.txt", "b a\nb a\n", "line 2 repeats"},
        {"empty line", "merges.txt", "\n\n", "line 1 is not two tokens"},
        {"length 2", "tokenizer_config.json", R"({"model_max_length":2})", "model_max_length"},
        {"long length", "tokenizer_config.json", R"({"model_max_length":2000})",
         "model_max_length"},
        {"length a text", "tokenizer_config.json", R"({"model_max_length":"77"})",
         "model_max_length"},
        {"strange padding", "special_tokens_map.json", R"({"pad_token":"<pad>"})", "<pad>"},
        {"empty padding", "special_tokens_map.json", R"({"pad_token":""})", "\"\""},
        {"special is a number", "special_tokens_map.json", R"({"pad_token":3})", "special token"},
        {"no manner", "special_tokens_map.json", R"({"pad_token":{"content":"!"}})",
         "special token"},
        {"stripping", "special_tokens_map.json", word + R"("lstrip":true}})", "lstrip"},
        {"more tokens", "special_tokens_map.json", R"({"additional_special_tokens":["<x>"]})",
         "additional_special_tokens"},
        {"added tokens", "added_tokens.json", R"({"<x>":9})", "added_tokens.json"},
        {"new decoder token", "tokenizer_config.json",
         R"({"added_tokens_decoder":{"9":)" + test::special_json("<x>", false) + "}}", "<x>"},
        {"other decoder id", "tokenizer_config.json",
         R"({"added_tokens_decoder":{"5":)" + test::special_json("!", false) + "}}", "id 5"},
    };
    for (const Change& change : changes) {
        auto files = tiny_files();
        files[change.file] = change.content;
        if (change.content.empty()) files.erase(change.file);
        const auto tokenizer = open_files(files);
        ASSERT_FALSE(tokenizer) << change.name;
        EXPECT_NE(tokenizer.error().message.find(change.says), std::string::npos)
            << change.name << ": " << tokenizer.error().message;
        EXPECT_FALSE(tokenizer.error().hint.empty()) << change.name;
    }
    const auto fast = open_files({{"tokenizer.json", "{}"}});
    EXPECT_NE(fast.error().hint.find("tokenizer.json"), std::string::npos);
}

} // namespace
} // namespace velamen::text
