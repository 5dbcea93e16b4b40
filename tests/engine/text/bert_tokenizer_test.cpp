// SPDX-License-Identifier: GPL-3.0-or-later
//
// What is around the ids; that they are right is golden_test.cpp's matter.

#include <gtest/gtest.h>

#include "tests/engine/text/vocabularies.h"
#include "tests/support/temp_dir.h"

namespace velamen::text {
namespace {

using velamen::test::TempDir;
using Ids = std::vector<std::int32_t>;

TEST(BertTokenizer, FramesAndPadsAPrompt)
{
    const auto encoding = test::bert().encode("Don't stop believing!!!").value();
    ASSERT_EQ(encoding.ids.size(), 77U);
    EXPECT_EQ(Ids(encoding.ids.begin(), encoding.ids.begin() + 10),
              (Ids{101, 2123, 1005, 1056, 2644, 8929, 999, 999, 999, 102}));
    EXPECT_EQ(Ids(encoding.ids.begin() + 10, encoding.ids.end()), Ids(67, 0));
    EXPECT_EQ(test::bert().length(), 77U);
    EXPECT_EQ(test::bert().vocabulary_size(), 30'522U);
}

TEST(BertTokenizer, SaysWhereAPromptWasCut)
{
    std::string prompt;
    for (int i = 0; i < 70; ++i)
        prompt += "東";
    prompt += " unaffable astronaut";
    const auto encoding = test::bert().encode(prompt).value(); // una ##ffa ##ble astronaut
    EXPECT_EQ(encoding.dropped, 0U);
    EXPECT_EQ(encoding.cut_at, prompt.size());
    const auto longer = test::bert().encode("東東" + prompt).value();
    EXPECT_EQ(longer.dropped, 1U);
    EXPECT_EQ(("東東" + prompt).substr(longer.cut_at), "astronaut");
}

TEST(BertTokenizer, RefusesAPromptThatIsNotUtf8)
{
    const auto encoding = test::bert().encode("caf\xe9");
    ASSERT_FALSE(encoding);
    EXPECT_EQ(encoding.error().code, ErrorCode::InvalidArgument);
}

TEST(BertTokenizer, TakesLinearTimeForHugePrompts)
{
    constexpr std::size_t many = 500'000;
    EXPECT_EQ(test::bert().tokens(std::string(many, 'x')).value().size(), 1U);
    EXPECT_EQ(test::bert().tokens(std::string(many, '!')).value().size(), many);
    std::string words; // each of them as long as a word may be, and of many pieces
    for (std::size_t i = 0; i < many / 100; ++i)
        words += std::string(100, 'z') + " ";
    EXPECT_GT(test::bert().tokens(words).value().size(), many / 10);
}

TEST(BertTokenizer, RefusesABrokenVocabularyWithItsCause)
{
    const std::string special = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    struct Defect {
        const char* name;
        std::string text;
        const char* says;
    };
    const std::vector<Defect> defects{
        {"empty", "", "no token [PAD]"},
        {"no mask", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", "no token [MASK]"},
        {"empty line", special + "a\n\nb\n", "line 7 is empty"},
        {"a token twice", special + "a\nb\na\n", "line 8 repeats the token \"a\""},
        {"not UTF-8", special + "caf\xe9\n", "not UTF-8 at byte 34"},
        {"packed", "\x1f\x8b\x08", "gzip"},
    };
    const TempDir dir;
    const auto path = dir.path() / "vocab.txt";
    for (const Defect& defect : defects) {
        ASSERT_TRUE(core::write_file(path, defect.text));
        const auto tokenizer = BertTokenizer::open(path);
        ASSERT_FALSE(tokenizer) << defect.name;
        EXPECT_NE(tokenizer.error().message.find(defect.says), std::string::npos)
            << defect.name << ": " << tokenizer.error().message;
        EXPECT_FALSE(tokenizer.error().hint.empty()) << defect.name;
    }
    ASSERT_TRUE(core::write_file(path, "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\na"));
    const auto tokenizer = BertTokenizer::open(dir.path());
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_EQ(test::ids_of(tokenizer->tokens("A b").value()), (Ids{5, 1}));
    EXPECT_EQ(BertTokenizer::open(dir.path() / "none").error().code, ErrorCode::NotFound);
}

} // namespace
} // namespace velamen::text
