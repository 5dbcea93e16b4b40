// SPDX-License-Identifier: GPL-3.0-or-later
//
// Weights in prompts, in the notation of AUTOMATIC1111's web UI, and prompts longer than a text
// encoder takes at once. Only text and ids: multiplying embeddings is for who has them.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"
#include "engine/text/clip_tokenizer.h"

namespace velamen::text {

/// Brackets of one kind inside each other; deeper ones are refused, so that reading a prompt takes
/// linear time.
constexpr std::size_t kDeepestBrackets = 50;
/// Chunks of one prompt; each costs a run of the text encoder.
constexpr std::size_t kMostChunks = 256;

/// Text with one weight, or a break between chunks (then without text).
struct PromptSegment {
    std::string text;
    double weight = 1.0;
    bool is_break = false;

    friend bool operator==(const PromptSegment&, const PromptSegment&) = default;
};

/// (x) weighs 1.1, [x] 1/1.1, (x:w) w; nesting multiplies. \( \) \[ \] \\ are the signs themselves,
/// any other backslash is dropped. An unclosed bracket acts to the end; a closing one or a colon
/// that belongs to nothing is text. The word BREAK is a break, also inside brackets (where the web
/// UI takes it for text). Neighbours of equal weight are one segment. At least one segment.
/// InvalidArgument, with the byte: not UTF-8, a weight that is no number or not finite, brackets
/// nested deeper than kDeepestBrackets, longer than kLongestText.
Result<std::vector<PromptSegment>> parse_prompt(std::string_view prompt);

/// What one run of the text encoder takes: both have length() of the tokenizer.
struct PromptChunk {
    std::vector<std::int32_t> ids; ///< start, tokens, end, padding
    std::vector<float> weights;    ///< 1 for start, end and padding
};

/// Tokenizes each segment alone and fills chunks one after the other; a break ends a chunk, full or
/// not. At least one chunk. InvalidArgument when more than kMostChunks are needed.
///
/// How weights act, z [k, length, C] being the embeddings of all chunks after the encoder's final
/// norm, chunk by chunk: z'[t] = w[t] z[t], then z'' = z' mean(z) / mean(z'), each mean over the
/// whole chunk (of the whole batch). Where mean(z') is 0 leave z'. The chunks then follow one
/// another: [1, k length, C].
Result<std::vector<PromptChunk>> pack_prompt(const ClipTokenizer& tokenizer,
                                             std::span<const PromptSegment> segments);

} // namespace velamen::text
