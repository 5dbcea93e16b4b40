// SPDX-License-Identifier: GPL-3.0-or-later
//
// Byte-pair encoding of one word with a fixed vocabulary and list of merges. It does not know what
// a word is, nor special tokens; files are read by clip_vocabulary.h.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text/tokens.h"

namespace velamen::text {

/// Looked up by std::string_view without a copy.
struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept
    {
        return std::hash<std::string_view>()(text);
    }
};
using Vocabulary = std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>>;

/// GPT-2's printable code points for the 256 byte values, as UTF-8.
std::string byte_symbol(std::uint8_t byte);
/// The order in which CLIP numbers the bytes: those that stand for themselves, then the others.
std::array<std::uint8_t, 256> byte_order();

constexpr std::string_view kEndOfWord = "</w>";

/// A byte of a word, and where in the prompt the character lies that it belongs to.
struct WordByte {
    std::uint8_t value = 0;
    std::uint32_t at = 0;
};

/// Immutable once filled: any thread may encode.
class BytePairs {
public:
    /// Numbers of the 256 byte symbols alone and at the end of a word; `unknown` where there is
    /// none.
    BytePairs(const Vocabulary& vocabulary, std::int32_t unknown);

    /// The pair becomes `merged`; earlier added pairs go first. False when the pair is there
    /// already.
    bool add_merge(std::int32_t left, std::int32_t right, std::int32_t merged);

    /// Appends the tokens of a word that is not empty. Time n log n in its length.
    void encode(std::span<const WordByte> word, std::vector<Token>& out) const;

private:
    struct Merge {
        std::uint32_t rank;
        std::int32_t id;
    };
    const Merge* find(std::int32_t left, std::int32_t right) const;

    std::array<std::int32_t, 256> inner_{};
    std::array<std::int32_t, 256> last_{};
    std::unordered_map<std::uint64_t, Merge> merges_; // left << 32 | right
};

} // namespace velamen::text
