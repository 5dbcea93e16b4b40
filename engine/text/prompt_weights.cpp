// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/prompt_weights.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "engine/text/unicode.h"

namespace velamen::text {

namespace {

constexpr double kRound = 1.1;
constexpr double kSquare = 1 / 1.1;
constexpr std::string_view kBreak = "BREAK";
constexpr std::string_view kBlanks = " \t\n\v\f\r";
constexpr std::string_view kSigns = "\\()[]:";

/// A segment while it is read: a part of the prompt.
struct Part {
    std::string_view text;
    double weight = 1.0;
    bool is_break = false;
};

auto refuse(std::size_t at, const std::string& cause, std::string hint)
{
    return fail(ErrorCode::InvalidArgument,
                "the prompt " + cause + " at byte " + std::to_string(at), std::move(hint));
}

/// ":1.3)" with blanks around the number, which is not read yet.
struct Ending {
    std::string_view number;
    std::size_t length = 0;
};

std::optional<Ending> ending_of(std::string_view text)
{
    const auto skip = [&](std::size_t from, std::string_view of) {
        return std::min(text.find_first_not_of(of, from), text.size());
    };
    const std::size_t begin = skip(1, kBlanks);
    const bool has_sign = begin < text.size() && (text[begin] == '+' || text[begin] == '-');
    const std::size_t digits = begin + (has_sign ? 1 : 0);
    const std::size_t end = skip(digits, ".0123456789");
    const std::size_t close = skip(end, kBlanks);
    if (end == digits || close == text.size() || text[close] != ')') return std::nullopt;
    return Ending{text.substr(begin, end - begin), close + 1};
}

std::optional<double> number_of(std::string_view text)
{
    if (text.starts_with('+')) text.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool is_word(char32_t c) noexcept { return c == U'_' || is_letter(c) || is_number(c); }

bool is_own_word(std::string_view text, std::size_t at, std::size_t length)
{
    const std::string_view left = text.substr(0, at), right = text.substr(at + length);
    return (left.empty() || !is_word(last_of(left).value))
        && (right.empty() || !is_word(first_of(right).value));
}

/// Reads a prompt from left to right.
class Parser {
public:
    explicit Parser(std::string_view prompt) : prompt_(prompt) {}

    Result<std::vector<Part>> parse()
    {
        for (std::size_t i = 0; i < prompt_.size();) {
            const std::size_t end = std::min(prompt_.find_first_of(kSigns, i), prompt_.size());
            if (end > i) {
                add_text(prompt_.substr(i, end - i));
                i = end;
            } else {
                VELAMEN_ASSIGN(const std::size_t length, read_sign(i));
                i += length;
            }
        }
        for (const std::size_t begin : round_)
            multiply(begin, kRound);
        for (const std::size_t begin : square_)
            multiply(begin, kSquare);
        return std::move(parts_);
    }

private:
    /// How many bytes the sign at `at` and what belongs to it take.
    Result<std::size_t> read_sign(std::size_t at)
    {
        const std::string_view rest = prompt_.substr(at);
        switch (rest[0]) {
        case '\\': {
            const bool escapes = rest.size() > 1 && kSigns.find(rest[1]) < kSigns.size() - 1;
            const std::size_t escaped = escapes ? 1 : 0;
            parts_.push_back({rest.substr(1, escaped)});
            return 1 + escaped;
        }
        case '(':
            VELAMEN_TRY(open(round_, at));
            return std::size_t{1};
        case '[':
            VELAMEN_TRY(open(square_, at));
            return std::size_t{1};
        case ':':
            if (const auto ending = ending_of(rest); ending && !round_.empty()) {
                const auto weight = number_of(ending->number);
                if (!weight)
                    return refuse(at, "has a weight that is no number",
                                  "write it like (word:1.3), or \\( and \\) for brackets");
                close(round_, *weight);
                return ending->length;
            }
            break;
        case ')':
            if (!round_.empty()) return close(round_, kRound);
            break;
        case ']':
            if (!square_.empty()) return close(square_, kSquare);
            break;
        }
        add_text(rest.substr(0, 1));
        return std::size_t{1};
    }

    Result<> open(std::vector<std::size_t>& stack, std::size_t at)
    {
        if (stack.size() == kDeepestBrackets)
            return refuse(at, "nests brackets deeper than " + std::to_string(kDeepestBrackets),
                          "write the weight as a number: (word:1.5)");
        stack.push_back(parts_.size());
        return {};
    }

    std::size_t close(std::vector<std::size_t>& stack, double factor)
    {
        multiply(stack.back(), factor);
        stack.pop_back();
        return 1;
    }

    void multiply(std::size_t begin, double factor)
    {
        for (Part& part : std::span(parts_).subspan(begin))
            if (!part.is_break) part.weight *= factor;
    }

    /// Text without signs, split at each BREAK, which takes the white space around it along.
    void add_text(std::string_view text)
    {
        std::size_t found = 0;
        while ((found = text.find(kBreak, found)) != std::string_view::npos) {
            if (!is_own_word(text, found, kBreak.size())) {
                found += kBreak.size();
                continue;
            }
            std::string_view left = text.substr(0, found);
            while (!left.empty() && is_space(last_of(left).value))
                left.remove_suffix(last_of(left).bytes);
            text.remove_prefix(found + kBreak.size());
            while (!text.empty() && is_space(first_of(text).value))
                text.remove_prefix(first_of(text).bytes);
            parts_.push_back({left});
            parts_.push_back({.text = {}, .is_break = true});
            found = 0;
        }
        parts_.push_back({text});
    }

    std::string_view prompt_;
    std::vector<Part> parts_;
    std::vector<std::size_t> round_; // places in parts_ where open brackets begin
    std::vector<std::size_t> square_;
};

/// Fills chunks with tokens and their weights.
class Packer {
public:
    explicit Packer(const ClipTokenizer& tokenizer)
        : frame_(tokenizer.frame()), most_(frame_.length - 2)
    {
    }

    Result<> add(std::span<const Token> tokens, double weight)
    {
        for (const Token& token : tokens) {
            if (tokens_.size() == most_) VELAMEN_TRY(end_chunk());
            tokens_.push_back(token);
            weights_.push_back(static_cast<float>(weight));
        }
        return {};
    }

    Result<> end_chunk()
    {
        if (chunks_.size() == kMostChunks)
            return fail(ErrorCode::InvalidArgument,
                        "the prompt needs more than " + std::to_string(kMostChunks) + " chunks of "
                            + std::to_string(most_) + " tokens",
                        "shorten it, or leave out some of its BREAKs");
        PromptChunk chunk{encode(tokens_, frame_, 0).ids, std::vector<float>(frame_.length, 1.0F)};
        std::ranges::copy(weights_, chunk.weights.begin() + 1);
        chunks_.push_back(std::move(chunk));
        tokens_.clear();
        weights_.clear();
        return {};
    }

    Result<std::vector<PromptChunk>> finish()
    {
        if (!tokens_.empty() || chunks_.empty()) VELAMEN_TRY(end_chunk());
        return std::move(chunks_);
    }

private:
    Frame frame_;
    std::size_t most_; // tokens to a chunk
    std::vector<Token> tokens_;
    std::vector<float> weights_;
    std::vector<PromptChunk> chunks_;
};

} // namespace

Result<std::vector<PromptSegment>> parse_prompt(std::string_view prompt)
{
    VELAMEN_TRY(check(prompt));
    VELAMEN_ASSIGN(const std::vector<Part> parts, Parser(prompt).parse());
    std::vector<PromptSegment> segments;
    for (const Part& part : parts) {
        if (!std::isfinite(part.weight))
            return fail(ErrorCode::InvalidArgument, "a weight in the prompt is too large",
                        "weights are usually between 0.5 and 1.5");
        const bool continues = !segments.empty() && !part.is_break && !segments.back().is_break
            && segments.back().weight == part.weight;
        if (continues)
            segments.back().text += part.text;
        else
            segments.push_back({std::string(part.text), part.weight, part.is_break});
    }
    if (segments.empty()) segments.emplace_back();
    return segments;
}

Result<std::vector<PromptChunk>> pack_prompt(const ClipTokenizer& tokenizer,
                                             std::span<const PromptSegment> segments)
{
    Packer packer(tokenizer);
    for (const PromptSegment& segment : segments) {
        if (segment.is_break) {
            VELAMEN_TRY(packer.end_chunk());
            continue;
        }
        VELAMEN_ASSIGN(const std::vector<Token> tokens, tokenizer.tokens(segment.text));
        VELAMEN_TRY(packer.add(tokens, segment.weight));
    }
    return packer.finish();
}

} // namespace velamen::text
