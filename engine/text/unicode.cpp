// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/unicode.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include "engine/core/assert.h"

namespace velamen::text {

namespace {

constexpr unsigned kNormalizationVersion = 9;
constexpr unsigned kCategoryVersion = 8;

/// No code point below has a combining class or takes part in a composition as the second.
constexpr char32_t kFirstMark = 0x300;
/// No code point below decomposes.
constexpr char32_t kFirstComposite = 0xC0;

UChar32 to_icu(char32_t value) noexcept { return static_cast<UChar32>(value); }

constexpr bool is_continuation(char byte) noexcept
{
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// The code point at byte `i`, which moves behind it; nothing where there is none (The Unicode
/// Standard, table 3-7). ICU's macro for it does not compile without warnings.
std::optional<char32_t> next(std::string_view text, std::size_t& i) noexcept
{
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
        ++i;
        return lead;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() - i < length) return std::nullopt;
    char32_t value = lead & (0x7FU >> length);
    for (const char byte : text.substr(i + 1, length - 1)) {
        if (!is_continuation(byte)) return std::nullopt;
        value = value << 6 | (static_cast<unsigned char>(byte) & 0x3FU);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value < least[length] || value > 0x10FFFF || is_surrogate) return std::nullopt;
    i += length;
    return value;
}

const UNormalizer2* canonical()
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2* normalizer = unorm2_getNFCInstance(&status);
    VELAMEN_ASSERT(U_SUCCESS(status)); // its data are compiled into the library
    return normalizer;
}

/// The major version of Unicode that assigned the code point; 0 when none has.
unsigned age_of(char32_t value) noexcept
{
    UVersionInfo age;
    u_charAge(to_icu(value), age);
    return age[0];
}

bool is_normalized(char32_t value) noexcept { return age_of(value) <= kNormalizationVersion; }

std::uint8_t combining_class(char32_t value) noexcept
{
    if (value < kFirstMark || !is_normalized(value)) return 0;
    return u_getCombiningClass(to_icu(value));
}

void append_decomposition(Character character, const UNormalizer2* normalizer,
                          std::vector<Character>& out)
{
    if (character.value < kFirstComposite || !is_normalized(character.value)) {
        out.push_back(character);
        return;
    }
    UChar units[32]; // the longest canonical decomposition has four code points
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t length = unorm2_getDecomposition(normalizer, to_icu(character.value), units,
                                                        std::size(units), &status);
    if (length < 0) {
        out.push_back(character);
        return;
    }
    VELAMEN_ASSERT(U_SUCCESS(status));
    for (std::int32_t i = 0; i < length;) {
        UChar32 value = 0;
        U16_NEXT(units, i, length, value);
        out.push_back({static_cast<char32_t>(value), character.at});
    }
}

/// Sorts every run of combining marks by combining class, equal ones in their order.
void order_marks(std::vector<Character>& text)
{
    std::vector<std::pair<std::uint8_t, Character>> run;
    for (std::size_t begin = 0; begin < text.size(); ++begin) {
        run.clear();
        for (std::size_t i = begin; i < text.size(); ++i) {
            const std::uint8_t rank = combining_class(text[i].value);
            if (rank == 0) break;
            run.emplace_back(rank, text[i]);
        }
        std::ranges::stable_sort(run, {}, &std::pair<std::uint8_t, Character>::first);
        for (const auto& [rank, mark] : run)
            text[begin++] = mark;
    }
}

} // namespace

Result<> check(std::string_view text)
{
    if (text.size() > kLongestText)
        return fail(ErrorCode::InvalidArgument,
                    "the text has " + std::to_string(text.size()) + " bytes, at most "
                        + std::to_string(kLongestText) + " are taken",
                    "shorten it");
    if (const auto at = find_invalid(text))
        return fail(ErrorCode::InvalidArgument,
                    "the text is not UTF-8 at byte " + std::to_string(*at),
                    "save or paste it as UTF-8");
    return {};
}

Result<std::vector<Character>> decode(std::string_view text)
{
    VELAMEN_TRY(check(text));
    std::vector<Character> characters;
    characters.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const auto at = static_cast<std::uint32_t>(i);
        characters.push_back({*next(text, i), at});
    }
    return characters;
}

std::optional<std::size_t> find_invalid(std::string_view text) noexcept
{
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t at = i;
        if (!next(text, i)) return at;
    }
    return std::nullopt;
}

SizedCharacter first_of(std::string_view text) noexcept
{
    std::size_t bytes = 0;
    const char32_t value = *next(text, bytes);
    return {value, bytes};
}

SizedCharacter last_of(std::string_view text) noexcept
{
    std::size_t begin = text.size() - 1;
    while (is_continuation(text[begin]))
        --begin;
    return first_of(text.substr(begin));
}

void append_utf8(char32_t value, std::string& out)
{
    char bytes[U8_MAX_LENGTH];
    std::int32_t length = 0;
    U8_APPEND_UNSAFE(bytes, length, to_icu(value));
    out.append(bytes, static_cast<std::size_t>(length));
}

std::vector<Character> decompose(std::span<const Character> text)
{
    const UNormalizer2* normalizer = canonical();
    std::vector<Character> out;
    out.reserve(text.size());
    for (const Character character : text)
        append_decomposition(character, normalizer, out);
    order_marks(out);
    return out;
}

std::vector<Character> compose(std::span<const Character> text)
{
    if (std::ranges::all_of(text, [](Character c) { return c.value < kFirstMark; }))
        return {text.begin(), text.end()};
    const UNormalizer2* normalizer = canonical();
    std::vector<Character> out = decompose(text);
    std::size_t size = 0;
    std::optional<std::size_t> starter;
    std::uint8_t last_class = 0; // of the character before, when that is not the starter
    for (const Character character : out) {
        const std::uint8_t rank = combining_class(character.value);
        const bool is_next = starter && *starter + 1 == size;
        if (starter && character.value >= kFirstMark && (is_next || last_class < rank)) {
            const UChar32 composite = unorm2_composePair(normalizer, to_icu(out[*starter].value),
                                                         to_icu(character.value));
            if (composite >= 0 && is_normalized(static_cast<char32_t>(composite))) {
                out[*starter].value = static_cast<char32_t>(composite);
                continue;
            }
        }
        if (rank == 0) starter = size;
        last_class = rank;
        out[size++] = character;
    }
    out.resize(size);
    return out;
}

void append_lower(Character character, std::vector<Character>& out)
{
    constexpr char32_t capital_i_with_dot =
        0x130; // alone in having two code points without context
    if (character.value == capital_i_with_dot) {
        out.push_back({U'i', character.at});
        out.push_back({0x307, character.at});
        return;
    }
    out.push_back({static_cast<char32_t>(u_tolower(to_icu(character.value))), character.at});
}

bool is_letter(char32_t value) noexcept
{
    return (U_GET_GC_MASK(to_icu(value)) & U_GC_L_MASK) != 0;
}

bool is_number(char32_t value) noexcept
{
    return (U_GET_GC_MASK(to_icu(value)) & U_GC_N_MASK) != 0;
}

bool is_space(char32_t value) noexcept { return u_isUWhiteSpace(to_icu(value)); }

OldCategory old_category(char32_t value) noexcept
{
    switch (value) { // got another category after 8.0
    case 0x166D:
    case 0x111C9:
        return OldCategory::Punctuation;
    case 0x1734:
        return OldCategory::NonspacingMark;
    case 0x1885:
    case 0x1886:
    case 0xA9BD:
        return OldCategory::Other;
    }
    if (age_of(value) > kCategoryVersion) return OldCategory::Other;
    const std::uint32_t mask = U_GET_GC_MASK(to_icu(value));
    if ((mask & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0) return OldCategory::Control;
    if ((mask & U_GC_P_MASK) != 0) return OldCategory::Punctuation;
    return (mask & U_GC_MN_MASK) != 0 ? OldCategory::NonspacingMark : OldCategory::Other;
}

} // namespace velamen::text
