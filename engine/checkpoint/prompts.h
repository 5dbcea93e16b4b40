// SPDX-License-Identifier: GPL-3.0-or-later
//
// Prompts to the numbers that a checkpoint's text encoder takes. Weights of words and chunks are
// not known here (generate/prompt.h).

#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/text/bert_tokenizer.h"
#include "engine/text/clip_tokenizer.h"

namespace velamen::checkpoint {

/// The tokenizer folder of a checkpoint that came without one, as diffusers reads it, with `length`
/// ids to a prompt.
Result<> write_tokenizer(const std::filesystem::path& folder, bool is_bert,
                         std::int64_t length = 77);

class PromptTokenizer {
public:
    /// `folder`: the checkpoint's tokenizer; empty: the vocabulary that every checkpoint of this
    /// kind uses. Errors of the tokenizers; NotFound without either.
    static Result<PromptTokenizer> open(const std::filesystem::path& folder, bool is_bert);

    /// int64 [prompts, length]. InvalidArgument when one is not UTF-8. `longest`: ids to a prompt,
    /// where the encoder takes fewer than the tokenizer gives.
    Result<at::Tensor> ids(std::span<const std::string> prompts, std::int64_t longest) const;
    /// Where the prompt is cut, in bytes; its size when all of it is used.
    Result<std::size_t> cut_at(std::string_view prompt) const;

    const text::ClipTokenizer* clip() const
    {
        return std::get_if<text::ClipTokenizer>(&tokenizer_);
    }

private:
    using Any = std::variant<text::ClipTokenizer, text::BertTokenizer>;
    explicit PromptTokenizer(Any tokenizer) : tokenizer_(std::move(tokenizer)) {}
    Result<text::Encoding> encode(std::string_view prompt) const;
    Any tokenizer_;
};

/// Corrupt when a tokenizer gives more ids to a prompt than the encoder takes.
Result<> check_length(std::size_t ids, std::int64_t longest);

/// "a photo of {class}" and "cat" -> "a photo of cat". InvalidArgument when the template has no
/// {class}.
Result<std::string> caption_of(const std::string& caption, const std::string& name);
inline constexpr const char* kDefaultCaption = "a photo of {class}";

} // namespace velamen::checkpoint
