// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/special_tokens.h"

#include <algorithm>

namespace velamen::text {

bool begins_with(std::span<const Character> text, std::u32string_view start) noexcept
{
    return text.size() >= start.size()
        && std::ranges::equal(text.first(start.size()), start, {}, &Character::value);
}

std::vector<Piece> split_specials(std::span<const Character> text,
                                  std::span<const SpecialToken> specials)
{
    std::vector<Piece> pieces;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size();) {
        const SpecialToken* longest = nullptr;
        for (const SpecialToken& special : specials)
            if (begins_with(text.subspan(i), special.text)
                && (longest == nullptr || special.text.size() > longest->text.size()))
                longest = &special;
        if (longest == nullptr) {
            ++i;
            continue;
        }
        if (i > begin) pieces.emplace_back(text.subspan(begin, i - begin));
        pieces.emplace_back(Token{longest->id, text[i].at});
        i += longest->text.size();
        begin = i;
    }
    if (begin < text.size()) pieces.emplace_back(text.subspan(begin));
    return pieces;
}

} // namespace velamen::text
