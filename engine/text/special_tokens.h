// SPDX-License-Identifier: GPL-3.0-or-later
//
// Texts that stand for one token wherever they are in a prompt ("<|endoftext|>", "[SEP]").

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/text/tokens.h"
#include "engine/text/unicode.h"

namespace velamen::text {

struct SpecialToken {
    std::u32string text; ///< not empty
    std::int32_t id = 0;
    /// Looked for after normalization, so that "<|EndOfText|>" is found too; else in the prompt as
    /// it was written.
    bool in_normalized = false;
};

/// A piece of a prompt: plain text, borrowed, or a special token.
using Piece = std::variant<std::span<const Character>, Token>;

/// Splits at the leftmost, then longest, of `specials` (few: each is tried at each place). Plain
/// pieces are not empty.
std::vector<Piece> split_specials(std::span<const Character> text,
                                  std::span<const SpecialToken> specials);

/// Whether `text` begins with `start`.
bool begins_with(std::span<const Character> text, std::u32string_view start) noexcept;

} // namespace velamen::text
