// SPDX-License-Identifier: GPL-3.0-or-later
//
// CLIP's byte-pair tokenizer: prompts to the ids that the text encoders of Stable Diffusion 1 and 2
// were trained with. It gives what CLIPTokenizer of transformers 5 (tokenizers, Rust) gives; it
// does not repair text (ftfy, HTML entities) as OpenAI's own program does. Code points newer than
// ICU's Unicode (15.0 in Debian 12) are neither letters nor digits here.

#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"
#include "engine/text/tokens.h"

namespace velamen::text {

struct ClipOptions {
    /// Text of the padding token; nothing: the one of the folder, else "<|endoftext|>" (SD 1). SD 2
    /// pads with "!", which is id 0.
    std::optional<std::string> padding{};
    /// What "!" in a prompt is where it pads: the padding token, as in diffusers, or (false) the
    /// word "!", as in open_clip, with which SD 2 was trained.
    bool padding_is_special = true;
};

/// Immutable: any thread.
class ClipTokenizer {
public:
    /// A folder (open_folder) or a file of merges (open_merges).
    static Result<ClipTokenizer> open(const std::filesystem::path& path,
                                      const ClipOptions& options = {});

    /// OpenAI's bpe_simple_vocab_16e6.txt, unpacked: a heading and at least 48,894 merges, of which
    /// the first 48,894 are read. 49,408 ids, 77 to a prompt.
    static Result<ClipTokenizer> open_merges(const std::filesystem::path& file,
                                             const ClipOptions& options = {});

    /// The `tokenizer/` of a diffusers checkpoint: vocab.json, merges.txt and, where they are
    /// there, tokenizer_config.json and special_tokens_map.json. Unsupported by name: a folder with
    /// only tokenizer.json, tokens that are not in vocab.json (textual inversion), tokens that
    /// strip.
    static Result<ClipTokenizer> open_folder(const std::filesystem::path& folder,
                                             const ClipOptions& options = {});

    ~ClipTokenizer();
    ClipTokenizer(ClipTokenizer&&) noexcept;
    ClipTokenizer& operator=(ClipTokenizer&&) noexcept;

    /// length() ids. InvalidArgument when the prompt is not UTF-8 (the reference cannot be given
    /// such a text; nothing is replaced in silence) or is longer than kLongestText. Time n log n,
    /// memory up to 60 bytes for one of the prompt (where it is a single word).
    Result<Encoding> encode(std::string_view prompt) const;

    /// The tokens alone, however many. The same errors.
    Result<std::vector<Token>> tokens(std::string_view prompt) const;

    std::size_t length() const noexcept;          ///< ids to a prompt, start and end among them
    std::size_t vocabulary_size() const noexcept; ///< every id is below it
    const Frame& frame() const noexcept;

private:
    struct State;
    explicit ClipTokenizer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::text
