// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any bytes as a prompt: refused with a sentence, or read into segments and packed into chunks of
// ids of the vocabulary; both tokenizers take it whole or refuse it, and say where it is cut.

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/text/bert_tokenizer.h"
#include "engine/text/prompt_weights.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace velamen;

/// The fuzzer runs in the root of the sources, as the seeds' paths do.
const std::filesystem::path kVocabularies = "resources/vocabularies";

template <class Tokenizer>
void check_encoding(const Tokenizer& tokenizer, std::string_view prompt, std::size_t most_tokens)
{
    const auto tokens = tokenizer.tokens(prompt);
    const auto encoding = tokenizer.encode(prompt);
    fuzz::require(tokens.has_value() == encoding.has_value(), "both take it or neither");
    if (!tokens) {
        fuzz::require(!tokens.error().message.empty(), "a refusal says why");
        return;
    }
    fuzz::require(tokens->size() <= most_tokens, "a token has at least a byte");
    for (const text::Token& token : *tokens) {
        fuzz::require(token.id >= 0
                          && static_cast<std::size_t>(token.id) < tokenizer.vocabulary_size(),
                      "an id is of the vocabulary");
        fuzz::require(token.at < prompt.size(), "a token lies in the prompt");
    }
    fuzz::require(encoding->ids.size() == tokenizer.length(), "a prompt is as long as any other");
    const std::size_t kept = std::min(tokens->size(), tokenizer.length() - 2);
    fuzz::require(encoding->dropped == tokens->size() - kept, "what does not fit is counted");
    fuzz::require(encoding->cut_at <= prompt.size(), "the cut lies in the prompt");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const auto clip = text::ClipTokenizer::open(kVocabularies / "clip_bpe_16e6.txt");
    static const auto bert =
        text::BertTokenizer::open(kVocabularies / "bert_base_uncased_vocab.txt");
    fuzz::require(clip.has_value() && bert.has_value(), "the vocabularies are read");
    const std::string_view prompt = fuzz::text_of(data, size);
    check_encoding(*clip, prompt, 4 * size); // a code point may become three of four bytes each
    check_encoding(*bert, prompt, 4 * size);

    const auto segments = text::parse_prompt(prompt);
    if (!segments) {
        fuzz::require(!segments.error().message.empty(), "a refusal says why");
        return 0;
    }
    fuzz::require(!segments->empty(), "there is a segment");
    std::size_t bytes = 0;
    for (const text::PromptSegment& segment : *segments) {
        fuzz::require(std::isfinite(segment.weight), "a weight is a number");
        bytes += segment.text.size();
    }
    fuzz::require(bytes <= size, "segments are parts of the prompt");
    const auto chunks = text::pack_prompt(*clip, *segments);
    if (!chunks) return 0;
    fuzz::require(!chunks->empty() && chunks->size() <= text::kMostChunks, "chunks are bounded");
    for (const text::PromptChunk& chunk : *chunks)
        fuzz::require(chunk.ids.size() == clip->length() && chunk.weights.size() == clip->length(),
                      "every id has a weight");
    return 0;
}
