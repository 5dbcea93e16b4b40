// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/bert_tokenizer.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "engine/text/byte_pairs.h"
#include "engine/text/special_tokens.h"
#include "engine/text/vocabulary_file.h"

namespace velamen::text {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLength = 77;
constexpr std::size_t kLongestWord = 100; // characters; longer ones are unknown
constexpr std::string_view kInside = "##";

/// Blocks whose characters are words of their own. As in the reference, the fifth one begins at
/// 2B920, not at 2B820.
bool is_ideograph(char32_t c) noexcept
{
    constexpr std::array<std::pair<char32_t, char32_t>, 8> blocks{{{0x4E00, 0x9FFF},
                                                                   {0x3400, 0x4DBF},
                                                                   {0x20000, 0x2A6DF},
                                                                   {0x2A700, 0x2B73F},
                                                                   {0x2B740, 0x2B81F},
                                                                   {0x2B920, 0x2CEAF},
                                                                   {0xF900, 0xFAFF},
                                                                   {0x2F800, 0x2FA1F}}};
    return std::ranges::any_of(blocks,
                               [=](const auto& b) { return c >= b.first && c <= b.second; });
}

bool is_separator(char32_t c) noexcept
{
    const bool is_ascii_sign = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96)
        || (c >= 123 && c <= 126);
    return is_ascii_sign || old_category(c) == OldCategory::Punctuation;
}

bool is_dropped(char32_t c) noexcept
{
    if (c == U'\t' || c == U'\n' || c == U'\r') return false;
    return c == 0xFFFD || old_category(c) == OldCategory::Control;
}

/// Cleaned, ideographs between spaces, without accents, lower case.
std::vector<Character> normalized(std::span<const Character> text)
{
    std::vector<Character> clean;
    clean.reserve(text.size());
    for (const auto [value, at] : text) {
        if (is_dropped(value)) continue;
        if (is_ideograph(value)) {
            for (const char32_t part : {U' ', value, U' '})
                clean.push_back({part, at});
        } else {
            clean.push_back({is_space(value) ? U' ' : value, at});
        }
    }
    std::vector<Character> lower;
    lower.reserve(clean.size());
    for (const Character character : decompose(clean))
        if (old_category(character.value) != OldCategory::NonspacingMark)
            append_lower(character, lower);
    return lower;
}

/// Texts of characters of a word: those of [i, j) begin at byte ends[i].
struct Word {
    std::string text;
    std::vector<std::size_t> ends{0};

    explicit Word(std::span<const Character> characters)
    {
        for (const Character character : characters) {
            append_utf8(character.value, text);
            ends.push_back(text.size());
        }
    }
    std::string_view part(std::size_t i, std::size_t j) const
    {
        return std::string_view(text).substr(ends[i], ends[j] - ends[i]);
    }
};

} // namespace

struct BertTokenizer::State {
    Vocabulary vocabulary;
    std::vector<SpecialToken> specials;
    Frame frame;
    std::int32_t unknown = 0;
    std::size_t longest = 0; // characters of the longest token

    /// Greedy: the longest token that the rest of the word begins with, again and again. A word
    /// that cannot be taken apart so is one unknown token.
    void append_word(std::span<const Character> characters, std::vector<Token>& out) const
    {
        const Token whole{unknown, characters[0].at};
        if (characters.size() > kLongestWord) {
            out.push_back(whole);
            return;
        }
        const Word word(characters);
        const std::size_t before = out.size();
        std::string piece;
        for (std::size_t begin = 0; begin < characters.size();) {
            std::size_t end = std::min(characters.size(), begin + longest);
            for (; end > begin; --end) {
                piece = begin > 0 ? kInside : std::string_view();
                piece += word.part(begin, end);
                if (const auto found = vocabulary.find(piece); found != vocabulary.end()) {
                    out.push_back({found->second, characters[begin].at});
                    break;
                }
            }
            if (end == begin) {
                out.resize(before);
                out.push_back(whole);
                return;
            }
            begin = end;
        }
    }

    void append_text(std::span<const Character> text, std::vector<Token>& out) const
    {
        const auto lower = normalized(text);
        const std::span<const Character> all(lower);
        std::size_t begin = 0;
        for (std::size_t i = 0; i <= all.size(); ++i) {
            const bool is_end = i == all.size();
            const bool separates = !is_end && is_separator(all[i].value);
            if (!is_end && !separates && !is_space(all[i].value)) continue;
            if (i > begin) append_word(all.subspan(begin, i - begin), out);
            if (separates) append_word(all.subspan(i, 1), out);
            begin = i + 1;
        }
    }
};

BertTokenizer::BertTokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
BertTokenizer::~BertTokenizer() = default;
BertTokenizer::BertTokenizer(BertTokenizer&&) noexcept = default;
BertTokenizer& BertTokenizer::operator=(BertTokenizer&&) noexcept = default;

Result<BertTokenizer> BertTokenizer::open(const fs::path& path)
{
    std::error_code unknown;
    const fs::path file = fs::is_directory(path, unknown) ? path / "vocab.txt" : path;
    VELAMEN_ASSIGN(const std::string text, read_vocabulary_file(file));
    auto state = std::make_unique<State>();
    for (const std::string_view token : lines_of(text)) {
        const std::size_t number = state->vocabulary.size() + 1;
        if (token.empty()) return bad_line(file, number, "is empty");
        if (!state->vocabulary.emplace(token, static_cast<std::int32_t>(number - 1)).second)
            return bad_line(file, number, "repeats the token \"" + std::string(token) + "\"");
        state->longest = std::max(state->longest, token.size()); // bytes, hence never too few
    }
    const auto special = [&](const std::string& token) -> Result<std::int32_t> {
        const auto found = state->vocabulary.find(token);
        if (found == state->vocabulary.end())
            return bad_vocabulary(file, "there is no token " + token);
        state->specials.push_back({std::u32string(token.begin(), token.end()), found->second});
        return found->second;
    };
    state->frame.length = kLength;
    VELAMEN_ASSIGN(state->frame.padding, special("[PAD]"));
    VELAMEN_ASSIGN(state->unknown, special("[UNK]"));
    VELAMEN_ASSIGN(state->frame.start, special("[CLS]"));
    VELAMEN_ASSIGN(state->frame.end, special("[SEP]"));
    VELAMEN_TRY(special("[MASK]"));
    return BertTokenizer(std::move(state));
}

Result<Encoding> BertTokenizer::encode(std::string_view prompt) const
{
    VELAMEN_ASSIGN(const std::vector<Token> found, tokens(prompt));
    return text::encode(found, state_->frame, prompt.size());
}

Result<std::vector<Token>> BertTokenizer::tokens(std::string_view prompt) const
{
    VELAMEN_ASSIGN(const std::vector<Character> characters, decode(prompt));
    std::vector<Token> found;
    for (const Piece& piece : split_specials(characters, state_->specials))
        if (const Token* special = std::get_if<Token>(&piece))
            found.push_back(*special);
        else
            state_->append_text(std::get<std::span<const Character>>(piece), found);
    return found;
}

std::size_t BertTokenizer::length() const noexcept { return state_->frame.length; }
std::size_t BertTokenizer::vocabulary_size() const noexcept { return state_->vocabulary.size(); }

} // namespace velamen::text
