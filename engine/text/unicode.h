// SPDX-License-Identifier: GPL-3.0-or-later
//
// What tokenizers ask of Unicode: code points that know where they came from, canonical forms, and
// classes. No locale and no context takes part. ICU is behind it and hidden in unicode.cpp.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

namespace velamen::text {

/// The longest text that is taken: places are counted in 32 bits, and a prompt is no book.
constexpr std::size_t kLongestText = std::size_t{16} << 20; // bytes

/// A code point, and the byte of the original text where what it was made from begins.
struct Character {
    char32_t value = 0;
    std::uint32_t at = 0;
};

/// InvalidArgument, with the byte, when `text` is not UTF-8 (surrogates and overlong forms are
/// not), and when it is longer than kLongestText.
Result<> check(std::string_view text);
/// The code points of a text that passes check(); its errors.
Result<std::vector<Character>> decode(std::string_view text);
/// The first byte of `text` that is not UTF-8, if there is one.
std::optional<std::size_t> find_invalid(std::string_view text) noexcept;
void append_utf8(char32_t value, std::string& out);

/// A code point of a UTF-8 text, and how many bytes it takes there.
struct SizedCharacter {
    char32_t value = 0;
    std::size_t bytes = 0;
};
/// The first and the last one of a text that is not empty and passes check().
SizedCharacter first_of(std::string_view text) noexcept;
SizedCharacter last_of(std::string_view text) noexcept;

/// Normalization Forms D and C (UAX #15) as of Unicode 9.0, where the reference's crate stopped:
/// what came later neither moves nor combines. Time n log n also for runs of combining marks, which
/// ICU's own functions sort in n².
std::vector<Character> decompose(std::span<const Character> text);
std::vector<Character> compose(std::span<const Character> text);

/// Appends the full lower case, code point by code point: no final sigma, as Rust's
/// char::to_lowercase, and İ becomes two.
void append_lower(Character character, std::vector<Character>& out);

bool is_letter(char32_t value) noexcept; ///< general category L*
bool is_number(char32_t value) noexcept; ///< N*
bool is_space(char32_t value) noexcept;  ///< property White_Space

/// General categories as Unicode 8.0 has them; what came later is Other. Tokenizers of the Rust
/// world ask a crate that stopped there.
enum class OldCategory { Other, Control, Punctuation, NonspacingMark }; // -, Cc Cf Co, P*, Mn
OldCategory old_category(char32_t value) noexcept;

} // namespace velamen::text
