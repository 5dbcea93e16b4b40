// SPDX-License-Identifier: GPL-3.0-or-later
//
// Folders that are written for diffusers: read again, they say what the vocabulary says.

#include "engine/text/tokenizer_folder.h"

#include <gtest/gtest.h>

#include "tests/engine/text/vocabularies.h"
#include "tests/support/temp_dir.h"

namespace velamen::text {
namespace {

TEST(TokenizerFolder, OfClipGivesTheSameTokens)
{
    const velamen::test::TempDir dir;
    ASSERT_TRUE(write_clip_folder(test::kMerges, dir.path() / "tokenizer"));
    const auto again = ClipTokenizer::open(dir.path() / "tokenizer");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->vocabulary_size(), 49'408u);
    for (const char* prompt : {"", "a photo of an astronaut riding a horse on mars",
                               "don't  stop\n\tbelieving!!!", "café naïve — 東京 🎨"}) {
        const auto expected = test::clip().encode(prompt);
        const auto made = again->encode(prompt);
        ASSERT_TRUE(made);
        EXPECT_EQ(made->ids, expected->ids) << prompt;
    }
}

TEST(TokenizerFolder, OfBertGivesTheSameTokens)
{
    const velamen::test::TempDir dir;
    ASSERT_TRUE(write_bert_folder(test::kWordPieces, dir.path() / "tokenizer"));
    const auto again = BertTokenizer::open(dir.path() / "tokenizer");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->encode("Café naïve — 東京 🎨")->ids,
              test::bert().encode("Café naïve — 東京 🎨")->ids);
}

TEST(TokenizerFolder, NeedsTheVocabulary)
{
    const velamen::test::TempDir dir;
    EXPECT_EQ(write_clip_folder(dir.path() / "none.txt", dir.path() / "t").error().code,
              ErrorCode::NotFound);
    EXPECT_FALSE(std::filesystem::exists(dir.path() / "t"));
}

} // namespace
} // namespace velamen::text
