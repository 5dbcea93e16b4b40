// SPDX-License-Identifier: GPL-3.0-or-later
//
// The oracle is the notation as the web UI documents it, worked out by hand.

#include <cmath>

#include <gtest/gtest.h>

#include "engine/text/prompt_weights.h"
#include "engine/text/unicode.h"
#include "tests/engine/text/vocabularies.h"

namespace velamen::text {
namespace {

using Segments = std::vector<PromptSegment>;

PromptSegment break_here() { return {.text = {}, .weight = 1.0, .is_break = true}; }

void expect_segments(std::string_view prompt, const Segments& expected)
{
    const auto segments = parse_prompt(prompt);
    ASSERT_TRUE(segments) << prompt << ": " << segments.error().message;
    ASSERT_EQ(segments->size(), expected.size()) << prompt;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ((*segments)[i].text, expected[i].text) << prompt << " " << i;
        EXPECT_EQ((*segments)[i].is_break, expected[i].is_break) << prompt << " " << i;
        EXPECT_NEAR((*segments)[i].weight, expected[i].weight, 1e-12) << prompt << " " << i;
    }
}

TEST(PromptWeights, MultiplyWhereBracketsNest)
{
    expect_segments("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
                    {{"a ", 1.0},
                     {"house", 1.3 * 1.1 * 1.1},
                     {" ", 1.1},
                     {"on", 1.0},
                     {" a ", 1.1},
                     {"hill", 0.5 * 1.1},
                     {", sun, ", 1.1},
                     {"sky", 1.1 * 1.1 * 1.1 * 1.1},
                     {".", 1.1}});
    expect_segments("(x)", {{"x", 1.1}});
    expect_segments("((x))", {{"x", 1.1 * 1.1}});
    expect_segments("[x]", {{"x", 1 / 1.1}});
    expect_segments("(x:0)(y:-2)", {{"x", 0.0}, {"y", -2.0}});
    expect_segments("(x: +.5 )(y:2.)", {{"x", 0.5}, {"y", 2.0}});
}

TEST(PromptWeights, UnclosedBracketsActToTheEnd)
{
    expect_segments("a (b", {{"a ", 1.0}, {"b", 1.1}});
    expect_segments("a [b (c", {{"a ", 1.0}, {"b ", 1 / 1.1}, {"c", 1.0}});
}

TEST(PromptWeights, WhatBelongsToNothingIsText)
{
    expect_segments("", {{"", 1.0}});
    expect_segments("a) b] c: d:1.5) e", {{"a) b] c: d:1.5) e", 1.0}});
    expect_segments("(a:b)", {{"a:b", 1.1}});
    expect_segments("[a:1.5]", {{"a:1.5", 1 / 1.1}});
    expect_segments("(a:1.5", {{"a:1.5", 1.1}});
}

TEST(PromptWeights, BackslashesMakeSignsText)
{
    expect_segments(R"(\(a\) \[b\] \\ c\d \)", {{R"((a) [b] \ cd )", 1.0}});
    expect_segments(R"((\(a\):2))", {{"(a)", 2.0}});
    expect_segments(R"((a\:1.5))", {{"a", 1.5}});
}

TEST(PromptWeights, NeighboursOfOneWeightAreOneSegment)
{
    expect_segments("(a)(b) c (d:1) e", {{"ab", 1.1}, {" c d e", 1.0}});
}

TEST(PromptWeights, BreakIsAWordOfItsOwn)
{
    expect_segments("a BREAK b", {{"a", 1.0}, break_here(), {"b", 1.0}});
    expect_segments("BREAK", {{"", 1.0}, break_here(), {"", 1.0}});
    expect_segments("a,\u3000BREAK\n\u2003,b", {{"a,", 1.0}, break_here(), {",b", 1.0}});
    expect_segments("a BREAK BREAK b",
                    {{"a", 1.0}, break_here(), {"", 1.0}, break_here(), {"b", 1.0}});
    for (const char* word :
         {"BREAKS", "break", "xBREAK", "éBREAK", "BREAK_", "BREAK東", "7BREAK", "BREAKBREAK"})
        expect_segments(word, {{word, 1.0}});
    expect_segments("(a BREAK b:1.5) c", {{"a", 1.5}, break_here(), {"b", 1.5}, {" c", 1.0}});
}

TEST(PromptWeights, RefusesWhatHasNoWeight)
{
    const std::pair<std::string, const char*> broken[] = {
        {"(a:1.2.3)", "no number at byte 2"},
        {"(a:.)", "no number at byte 2"},
        {"a (b:" + std::string(400, '9') + ")", "no number at byte 4"},
        {"((a:" + std::string(300, '9') + "):" + std::string(300, '9') + ")", "too large"},
        {std::string(51, '('), "deeper than 50 at byte 50"},
        {std::string(51, '['), "deeper than 50 at byte 50"},
        {"(a\xff)", "not UTF-8 at byte 2"},
        {std::string(kLongestText + 1, 'a'), "at most"},
    };
    for (const auto& [prompt, says] : broken) {
        const auto segments = parse_prompt(prompt);
        ASSERT_FALSE(segments) << says;
        EXPECT_EQ(segments.error().code, ErrorCode::InvalidArgument) << says;
        EXPECT_NE(segments.error().message.find(says), std::string::npos)
            << segments.error().message;
        EXPECT_FALSE(segments.error().hint.empty()) << says;
    }
    EXPECT_TRUE(parse_prompt(std::string(50, '(') + "a"));
}

TEST(PromptWeights, ReadingTakesLinearTime)
{
    std::string nested, flat, colons;
    for (int i = 0; i < 200'000; ++i) {
        nested += i < 50 ? "(" : "a[b]";
        flat += "(a:1.5)";
        colons += ": BREAK ";
    }
    EXPECT_GT(parse_prompt(nested).value().size(), 100'000U);
    EXPECT_EQ(parse_prompt(flat).value().size(), 1U);
    EXPECT_EQ(parse_prompt(colons).value().size(), 400'001U);
}

std::vector<PromptChunk> packed(const ClipTokenizer& tokenizer, std::string_view prompt)
{
    return pack_prompt(tokenizer, parse_prompt(prompt).value()).value();
}

TEST(PromptWeights, EveryIdHasAWeight)
{
    const auto chunks = packed(test::clip(), "a (cat:1.5) [dog]");
    ASSERT_EQ(chunks.size(), 1U);
    const auto& [ids, weights] = chunks[0];
    ASSERT_EQ(ids.size(), 77U);
    ASSERT_EQ(weights.size(), 77U);
    const std::vector<std::int32_t> begin{49406, 320, 2368, 1929, 49407, 49407};
    EXPECT_TRUE(std::equal(begin.begin(), begin.end(), ids.begin()));
    EXPECT_EQ(weights[0], 1.0F);
    EXPECT_EQ(weights[1], 1.0F);
    EXPECT_EQ(weights[2], 1.5F);
    EXPECT_FLOAT_EQ(weights[3], 1 / 1.1F);
    for (std::size_t i = 4; i < 77; ++i)
        EXPECT_EQ(weights[i], 1.0F);
}

TEST(PromptWeights, SegmentsAreTokenizedAlone)
{
    EXPECT_EQ(packed(test::clip(), "cat").at(0).ids[1], 2368);
    EXPECT_NE(packed(test::clip(), "c(at)").at(0).ids[1], 2368);
}

TEST(PromptWeights, LongPromptsFillChunks)
{
    std::string prompt = "(";
    for (int i = 0; i < 150; ++i)
        prompt += "cat ";
    const auto full = packed(test::clip(), prompt + ":2)");
    ASSERT_EQ(full.size(), 2U);
    EXPECT_EQ(full[0].ids[75], 2368);
    EXPECT_EQ(full[0].ids[76], 49407);
    EXPECT_EQ(full[1].ids[75], 2368);
    EXPECT_EQ(full[1].weights[75], 2.0F);
    const auto more = packed(test::clip(), prompt + "cat");
    ASSERT_EQ(more.size(), 3U);
    EXPECT_EQ(more[2].ids[1], 2368);
    EXPECT_EQ(more[2].ids[2], 49407);
}

TEST(PromptWeights, ABreakEndsAChunk)
{
    const auto two = packed(test::clip(), "cat BREAK dog");
    ASSERT_EQ(two.size(), 2U);
    EXPECT_EQ(two[0].ids[1], 2368);
    EXPECT_EQ(two[0].ids[2], 49407);
    EXPECT_EQ(two[1].ids[1], 1929);
    EXPECT_EQ(packed(test::clip(), "").size(), 1U);
    EXPECT_EQ(packed(test::clip(), "cat BREAK").size(), 1U);
    EXPECT_EQ(packed(test::clip(), "BREAK cat").size(), 2U);
    std::string full;
    for (int i = 0; i < 75; ++i)
        full += "cat ";
    EXPECT_EQ(packed(test::clip(), full + "BREAK dog").size(), 2U) << "no empty chunk between";
}

TEST(PromptWeights, ChunksArePaddedAsTheTokenizerPads)
{
    const auto sd2 = ClipTokenizer::open(test::kMerges, {.padding = "!"}).value();
    const auto chunks = packed(sd2, "cat BREAK dog!");
    ASSERT_EQ(chunks.size(), 2U);
    EXPECT_EQ(chunks[0].ids[2], 49407);
    EXPECT_EQ(chunks[0].ids[3], 0);
    EXPECT_EQ(chunks[1].ids[2], 0);
    EXPECT_EQ(chunks[1].ids[3], 49407);
}

TEST(PromptWeights, RefusesMoreChunksThanAnyoneWantsToWaitFor)
{
    std::string words, breaks;
    for (std::size_t i = 0; i < kMostChunks; ++i) {
        breaks += "BREAK ";
        for (int k = 0; k < 75; ++k)
            words += "cat ";
    }
    EXPECT_EQ(packed(test::clip(), words).size(), kMostChunks);
    EXPECT_EQ(packed(test::clip(), breaks).size(), kMostChunks);
    for (const std::string& prompt : {words + "cat", breaks + "cat"}) {
        const auto chunks = pack_prompt(test::clip(), parse_prompt(prompt).value());
        ASSERT_FALSE(chunks);
        EXPECT_NE(chunks.error().message.find("256 chunks"), std::string::npos);
    }
}

} // namespace
} // namespace velamen::text
