// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/checkpoint/prompts.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/text/tokenizer_folder.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

namespace {

fs::path& vocabularies()
{
    static fs::path folder;
    return folder;
}

/// The vocabulary that every checkpoint of this kind uses.
Result<fs::path> shipped(bool is_bert)
{
    if (!vocabularies().empty())
        return vocabularies() / (is_bert ? "bert_base_uncased_vocab.txt" : "clip_bpe_16e6.txt");
    return fail(ErrorCode::NotFound, "the checkpoint has no tokenizer folder",
                "put the tokenizer of its base beside it");
}

} // namespace

void set_vocabularies(const fs::path& folder) { vocabularies() = folder; }

Result<> write_tokenizer(const fs::path& folder, bool is_bert, std::int64_t length)
{
    VELAMEN_ASSIGN(const fs::path path, shipped(is_bert));
    return is_bert ? text::write_bert_folder(path, folder, length)
                   : text::write_clip_folder(path, folder, length);
}

Result<PromptTokenizer> PromptTokenizer::open(const fs::path& folder, bool is_bert)
{
    fs::path path = folder;
    if (path.empty()) {
        VELAMEN_ASSIGN(path, shipped(is_bert));
    }
    if (is_bert) {
        VELAMEN_ASSIGN(text::BertTokenizer tokenizer, text::BertTokenizer::open(path));
        return PromptTokenizer(std::move(tokenizer));
    }
    VELAMEN_ASSIGN(text::ClipTokenizer tokenizer, text::ClipTokenizer::open(path));
    return PromptTokenizer(std::move(tokenizer));
}

Result<text::Encoding> PromptTokenizer::encode(std::string_view prompt) const
{
    return std::visit([&](const auto& one) { return one.encode(prompt); }, tokenizer_);
}

Result<> check_length(std::size_t ids, std::int64_t longest)
{
    if (static_cast<std::int64_t>(ids) <= longest) return {};
    return fail(ErrorCode::Corrupt,
                "the tokenizer gives " + std::to_string(ids)
                    + " tokens to a prompt, but the text encoder takes " + std::to_string(longest),
                "tokenizer and text encoder must come from the same model");
}

Result<at::Tensor> PromptTokenizer::ids(std::span<const std::string> prompts,
                                        std::int64_t longest) const
{
    std::vector<std::int64_t> all;
    std::int64_t length = 0;
    for (const std::string& prompt : prompts) {
        VELAMEN_ASSIGN(const text::Encoding encoding, encode(prompt));
        length = static_cast<std::int64_t>(encoding.ids.size());
        VELAMEN_TRY(check_length(encoding.ids.size(), longest));
        all.insert(all.end(), encoding.ids.begin(), encoding.ids.end());
    }
    return at::tensor(all).view({static_cast<std::int64_t>(prompts.size()), length});
}

Result<std::size_t> PromptTokenizer::cut_at(std::string_view prompt) const
{
    VELAMEN_ASSIGN(const text::Encoding encoding, encode(prompt));
    return encoding.cut_at;
}

Result<std::string> caption_of(const std::string& caption, const std::string& name)
{
    constexpr std::string_view kSlot = "{class}";
    std::string out = caption;
    const std::size_t at = out.find(kSlot);
    if (at == std::string::npos)
        return fail(ErrorCode::InvalidArgument,
                    "the caption '" + caption + "' does not say where the class stands",
                    "write {class} there, as in '" + std::string(kDefaultCaption) + "'");
    out.replace(at, kSlot.size(), name);
    return out;
}

} // namespace velamen::checkpoint
