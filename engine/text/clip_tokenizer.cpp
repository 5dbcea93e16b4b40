// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/clip_tokenizer.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "engine/text/clip_vocabulary.h"

namespace velamen::text {

namespace {

namespace fs = std::filesystem;

/// CLIP's pattern knows these as words of their own, in this order before letters, digits and rest.
constexpr std::array<std::u32string_view, 2> kMarkers{U"<|startoftext|>", U"<|endoftext|>"};
constexpr std::array<std::u32string_view, 7> kContractions{U"'s", U"'t",  U"'re", U"'ve",
                                                           U"'m", U"'ll", U"'d"};

enum class Kind { Space, Letter, Number, Other };

Kind kind_of(char32_t value) noexcept
{
    if (is_letter(value)) return Kind::Letter;
    if (is_number(value)) return Kind::Number;
    return is_space(value) ? Kind::Space : Kind::Other;
}

std::size_t length_of(std::span<const Character> text, std::span<const std::u32string_view> words)
{
    for (const std::u32string_view word : words)
        if (begins_with(text, word)) return word.size();
    return 0;
}

/// The first characters of one kind; a number is one character.
std::size_t run_length(std::span<const Character> text)
{
    const Kind kind = kind_of(text[0].value);
    if (kind == Kind::Number) return 1;
    const auto end =
        std::ranges::find_if(text, [=](Character c) { return kind_of(c.value) != kind; });
    return static_cast<std::size_t>(end - text.begin());
}

/// NFC, then lower case, which may leave NFC again (İ). White space need not be unified: it only
/// separates.
std::vector<Character> normalized(std::span<const Character> text)
{
    std::vector<Character> lower;
    lower.reserve(text.size());
    for (const Character character : compose(text))
        append_lower(character, lower);
    return lower;
}

std::u32string normalized(const std::u32string& text)
{
    std::vector<Character> characters;
    for (const char32_t value : text)
        characters.push_back({value, 0});
    std::u32string out;
    for (const Character character : normalized(characters))
        out += character.value;
    return out;
}

void append_word(std::span<const Character> word, const BytePairs& pairs, std::vector<Token>& out)
{
    std::vector<WordByte> bytes;
    bytes.reserve(word.size());
    std::string utf8;
    for (const Character character : word) {
        utf8.clear();
        append_utf8(character.value, utf8);
        for (const char byte : utf8)
            bytes.push_back({static_cast<std::uint8_t>(byte), character.at});
    }
    pairs.encode(bytes, out);
}

/// The words of normalized text. A marker that was no special token falls apart into words like
/// any other text, but no word reaches across its ends.
void append_words(std::span<const Character> text, const BytePairs& pairs, std::vector<Token>& out)
{
    while (!text.empty()) {
        std::size_t length = length_of(text, kMarkers);
        if (length > 0) {
            for (auto marker = text.first(length); !marker.empty();) {
                const std::size_t part = run_length(marker);
                append_word(marker.first(part), pairs, out);
                marker = marker.subspan(part);
            }
        } else {
            length = length_of(text, kContractions);
            const bool is_space = length == 0 && kind_of(text[0].value) == Kind::Space;
            if (length == 0) length = run_length(text);
            if (!is_space) append_word(text.first(length), pairs, out);
        }
        text = text.subspan(length);
    }
}

} // namespace

struct ClipTokenizer::State {
    BytePairs pairs;
    std::vector<SpecialToken> raw;        // looked for in the prompt as it was written
    std::vector<SpecialToken> normalized; // and in normalized text
    Frame frame;
    std::size_t size;

    explicit State(ClipVocabulary clip)
        : pairs(std::move(clip.pairs)), frame(clip.frame), size(clip.size)
    {
        for (SpecialToken& special : clip.specials)
            if (special.in_normalized) {
                special.text = text::normalized(special.text);
                normalized.push_back(std::move(special));
            } else {
                raw.push_back(std::move(special));
            }
    }

    void append_text(std::span<const Character> text, std::vector<Token>& out) const
    {
        const auto lower = text::normalized(text);
        for (const Piece& piece : split_specials(lower, normalized))
            if (const Token* special = std::get_if<Token>(&piece))
                out.push_back(*special);
            else
                append_words(std::get<std::span<const Character>>(piece), pairs, out);
    }
};

ClipTokenizer::ClipTokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClipTokenizer::~ClipTokenizer() = default;
ClipTokenizer::ClipTokenizer(ClipTokenizer&&) noexcept = default;
ClipTokenizer& ClipTokenizer::operator=(ClipTokenizer&&) noexcept = default;

Result<ClipTokenizer> ClipTokenizer::open(const fs::path& path, const ClipOptions& options)
{
    std::error_code unknown;
    return fs::is_directory(path, unknown) ? open_folder(path, options)
                                           : open_merges(path, options);
}

Result<ClipTokenizer> ClipTokenizer::open_merges(const fs::path& file, const ClipOptions& options)
{
    VELAMEN_ASSIGN(ClipVocabulary clip, read_merges(file, options));
    return ClipTokenizer(std::make_unique<State>(std::move(clip)));
}

Result<ClipTokenizer> ClipTokenizer::open_folder(const fs::path& folder, const ClipOptions& options)
{
    VELAMEN_ASSIGN(ClipVocabulary clip, read_folder(folder, options));
    return ClipTokenizer(std::make_unique<State>(std::move(clip)));
}

Result<Encoding> ClipTokenizer::encode(std::string_view prompt) const
{
    VELAMEN_ASSIGN(const std::vector<Token> found, tokens(prompt));
    return text::encode(found, state_->frame, prompt.size());
}

Result<std::vector<Token>> ClipTokenizer::tokens(std::string_view prompt) const
{
    VELAMEN_ASSIGN(const std::vector<Character> characters, decode(prompt));
    std::vector<Token> found;
    for (const Piece& piece : split_specials(characters, state_->raw))
        if (const Token* special = std::get_if<Token>(&piece))
            found.push_back(*special);
        else
            state_->append_text(std::get<std::span<const Character>>(piece), found);
    return found;
}

std::size_t ClipTokenizer::length() const noexcept { return state_->frame.length; }
std::size_t ClipTokenizer::vocabulary_size() const noexcept { return state_->size; }
const Frame& ClipTokenizer::frame() const noexcept { return state_->frame; }

} // namespace velamen::text
