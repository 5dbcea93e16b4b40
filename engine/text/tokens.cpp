// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/tokens.h"

#include <algorithm>

#include "engine/core/assert.h"

namespace velamen::text {

Encoding encode(std::span<const Token> tokens, const Frame& frame, std::size_t prompt_bytes)
{
    VELAMEN_ASSERT(frame.length >= 2);
    const std::size_t kept = std::min(tokens.size(), frame.length - 2);
    Encoding encoding;
    encoding.ids.reserve(frame.length);
    encoding.ids.push_back(frame.start);
    for (const Token& token : tokens.first(kept))
        encoding.ids.push_back(token.id);
    encoding.ids.push_back(frame.end);
    encoding.ids.resize(frame.length, frame.padding);
    encoding.dropped = tokens.size() - kept;
    encoding.cut_at = encoding.dropped > 0 ? tokens[kept].at : prompt_bytes;
    return encoding;
}

} // namespace velamen::text
