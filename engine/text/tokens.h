// SPDX-License-Identifier: GPL-3.0-or-later
//
// What both tokenizers give: tokens that know their place in the prompt, and the fixed number of
// ids that a text encoder takes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace velamen::text {

struct Token {
    std::int32_t id = 0;
    std::uint32_t at = 0; ///< byte of the prompt where it begins

    friend bool operator==(const Token&, const Token&) = default;
};

/// A prompt as a text encoder takes it.
struct Encoding {
    std::vector<std::int32_t> ids; ///< start, tokens, end, padding
    std::size_t dropped = 0;       ///< tokens that did not fit
    std::size_t cut_at = 0; ///< byte where the first of them begins; the prompt's size if none
};

/// The ids around and after the tokens, and how many there are of all together (at least 2).
struct Frame {
    std::int32_t start = 0;
    std::int32_t end = 0;
    std::int32_t padding = 0;
    std::size_t length = 0;
};

/// Keeps the first `length - 2` tokens of a prompt of `prompt_bytes` bytes.
Encoding encode(std::span<const Token> tokens, const Frame& frame, std::size_t prompt_bytes);

} // namespace velamen::text
