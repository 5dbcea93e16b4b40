// SPDX-License-Identifier: GPL-3.0-or-later
//
// The oracle of the normal forms is ICU's own normalizer, on text of Unicode 9.0 and before.

#include <algorithm>
#include <random>

#include <gtest/gtest.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "engine/text/unicode.h"

namespace velamen::text {
namespace {

std::string utf8(const std::vector<Character>& text)
{
    std::string out;
    for (const Character character : text)
        append_utf8(character.value, out);
    return out;
}

std::string by_icu(const std::vector<Character>& text, const UNormalizer2* normalizer)
{
    std::u32string points;
    for (const Character character : text)
        points += character.value;
    UErrorCode status = U_ZERO_ERROR;
    std::u16string wide(2 * points.size() + 1, u'\0'), normal(20 * points.size() + 20, u'\0');
    std::int32_t length = 0;
    u_strFromUTF32(wide.data(), static_cast<std::int32_t>(wide.size()), &length,
                   reinterpret_cast<const UChar32*>(points.data()),
                   static_cast<std::int32_t>(points.size()), &status);
    length = unorm2_normalize(normalizer, wide.data(), length, normal.data(),
                              static_cast<std::int32_t>(normal.size()), &status);
    std::string out(4 * static_cast<std::size_t>(length) + 1, '\0');
    std::int32_t bytes = 0;
    u_strToUTF8(out.data(), static_cast<std::int32_t>(out.size()), &bytes, normal.data(), length,
                &status);
    EXPECT_TRUE(U_SUCCESS(status)) << u_errorName(status);
    out.resize(static_cast<std::size_t>(bytes));
    return out;
}

/// Code points that the normal forms change, or that change others.
std::vector<char32_t> restless()
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2* nfd = unorm2_getNFDInstance(&status);
    std::vector<char32_t> points;
    for (UChar32 c = 0x80; c < 0x110000; ++c) {
        UVersionInfo age;
        u_charAge(c, age);
        const bool is_syllable = c >= 0xAC00 && c < 0xD7A4; // all of one kind
        if (age[0] == 0 || age[0] > 9 || U_IS_SURROGATE(c) || (is_syllable && c % 100 != 0))
            continue;
        const bool is_jamo = c >= 0x1100 && c < 0x1200;
        if (u_getCombiningClass(c) != 0 || is_jamo || !unorm2_isInert(nfd, c))
            points.push_back(static_cast<char32_t>(c));
    }
    return points;
}

TEST(Unicode, NormalFormsAreThoseOfIcu)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *nfd = unorm2_getNFDInstance(&status), *nfc = unorm2_getNFCInstance(&status);
    const std::vector<char32_t> points = restless();
    ASSERT_GT(points.size(), 2000U);
    std::mt19937 random(1);
    for (int round = 0; round < 50'000; ++round) {
        std::vector<Character> text;
        for (std::size_t i = 0; i < 1 + random() % 8; ++i)
            text.push_back({random() % 4 == 0 ? U'a' : points[random() % points.size()], 0});
        ASSERT_EQ(utf8(decompose(text)), by_icu(text, nfd)) << utf8(text);
        ASSERT_EQ(utf8(compose(text)), by_icu(text, nfc)) << utf8(text);
    }
}

TEST(Unicode, NormalFormsKnowWhereTheirTextWas)
{
    const auto text = decode("xe\u0323\u0301y").value();
    const auto composed = compose(text);
    ASSERT_EQ(composed.size(), 4U); // x, e with a dot below, acute, y
    EXPECT_EQ(composed[1].at, 1U);
    EXPECT_EQ(composed[2].at, 4U);
    EXPECT_EQ(composed[3].at, 6U);
    const auto apart = decompose(decode("a\u1ec7").value());
    ASSERT_EQ(apart.size(), 4U);
    EXPECT_EQ(apart[3].at, 1U);
}

TEST(Unicode, SortsAMillionMarksInNoTime)
{
    // Alternating classes: a sort by insertion would take 2.5e11 steps.
    std::vector<Character> text{{U'a', 0}};
    for (std::uint32_t i = 0; i < 1'000'000; ++i)
        text.push_back({i % 2 == 0 ? char32_t{0x305} : char32_t{0x316}, i});
    const auto sorted = compose(text);
    ASSERT_EQ(sorted.size(), text.size());
    EXPECT_EQ(sorted[1].value, char32_t{0x316});
    EXPECT_EQ(sorted[500'000].value, char32_t{0x316});
    EXPECT_EQ(sorted[500'001].value, char32_t{0x305});
    const auto middle = sorted.begin() + 500'001;
    EXPECT_TRUE(std::ranges::is_sorted(sorted.begin(), middle, {}, &Character::at)) << "equal ones";
    EXPECT_TRUE(std::ranges::is_sorted(middle, sorted.end(), {}, &Character::at)) << "keep order";
}

TEST(Unicode, RefusesWhatIsNotUtf8AndNamesTheByte)
{
    const std::pair<std::string, std::size_t> broken[] = {
        {"a\x80", 1},
        {"a\xc3", 1},
        {"\xc0\xaf", 0},
        {"ab\xe0\x80\xaf", 2},
        {"\xed\xa0\x80", 0},
        {"\xff", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf0\x9f\x8e", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xe2\x28\xa1", 0},
        {"\u6771\xe4\xba", 3},
    };
    for (const auto& [text, at] : broken) {
        const auto decoded = decode(text);
        ASSERT_FALSE(decoded) << at;
        EXPECT_EQ(decoded.error().code, ErrorCode::InvalidArgument);
        EXPECT_NE(decoded.error().message.find("not UTF-8 at byte " + std::to_string(at)),
                  std::string::npos)
            << decoded.error().message;
    }
    EXPECT_EQ(decode(std::string_view("\0\x7f\xc2\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf", 11))->size(),
              5U);
    EXPECT_FALSE(decode(std::string(kLongestText + 1, 'a')));
}

TEST(Unicode, LowersCodePointByCodePoint)
{
    const auto text = decode("ΑΣ İI Ǆ").value();
    std::vector<Character> lower;
    for (const Character character : text)
        append_lower(character, lower);
    EXPECT_EQ(utf8(lower), "ασ i\u0307i ǆ"); // no final sigma, no locale
}

} // namespace
} // namespace velamen::text
