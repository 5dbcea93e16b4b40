// SPDX-License-Identifier: GPL-3.0-or-later
//
// BERT's uncased WordPiece tokenizer, for the text encoder of the first latent diffusion models
// (LDMBert). It gives what BertTokenizer of transformers 5 (tokenizers, Rust) gives.

#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/core/result.h"
#include "engine/text/tokens.h"

namespace velamen::text {

/// Immutable: any thread.
class BertTokenizer {
public:
    /// A vocab.txt (one token a line, its number is its id) or the folder that holds it. It must
    /// have [PAD], [UNK], [CLS], [SEP] and [MASK]; 77 ids to a prompt.
    static Result<BertTokenizer> open(const std::filesystem::path& path);
    ~BertTokenizer();
    BertTokenizer(BertTokenizer&&) noexcept;
    BertTokenizer& operator=(BertTokenizer&&) noexcept;

    /// length() ids. InvalidArgument when the prompt is not UTF-8 (see ClipTokenizer::encode) or is
    /// longer than kLongestText. Time and memory grow linearly.
    Result<Encoding> encode(std::string_view prompt) const;

    /// The tokens alone, however many. The same errors.
    Result<std::vector<Token>> tokens(std::string_view prompt) const;

    std::size_t length() const noexcept;          ///< ids to a prompt, [CLS] and [SEP] among them
    std::size_t vocabulary_size() const noexcept; ///< every id is below it

private:
    struct State;
    explicit BertTokenizer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::text
