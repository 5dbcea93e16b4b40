// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/path_pattern.h"

#include <utility>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/core/assert.h"

namespace velamen::data {

namespace {

constexpr std::uint32_t kMostSteps = 1'000'000;
constexpr std::uint32_t kMostMemory = 20'000; // KiB
constexpr std::size_t kLongestExpression = 1000;
constexpr const char* kExample = "write it like pattern:^([^_]+)_ with one group in parentheses";

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* pointer) const
    {
        Free(pointer);
    }
};
using Code = std::unique_ptr<pcre2_code, Freed<pcre2_code_free>>;
using Context = std::unique_ptr<pcre2_match_context, Freed<pcre2_match_context_free>>;
using Match = std::unique_ptr<pcre2_match_data, Freed<pcre2_match_data_free>>;

} // namespace

struct PathPattern::State {
    Code code;
    Context context;
    Match match;
};

PathPattern::PathPattern(std::unique_ptr<State> state) : state_(std::move(state)) {}
PathPattern::~PathPattern() = default;
PathPattern::PathPattern(PathPattern&&) noexcept = default;
PathPattern& PathPattern::operator=(PathPattern&&) noexcept = default;

Result<PathPattern> PathPattern::create(const std::string& expression)
{
    if (expression.size() > kLongestExpression)
        return fail(ErrorCode::InvalidArgument,
                    "the regular expression is longer than 1000 characters", kExample);
    int error = 0;
    std::size_t place = 0;
    // Names of files need not be UTF-8: such a part of a path matches nothing.
    Code code(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                      &error, &place, nullptr));
    if (!code) {
        char text[256] = {};
        pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof text);
        return fail(ErrorCode::InvalidArgument,
                    "'" + expression + "' is no regular expression: " + text + " at character "
                        + std::to_string(place + 1),
                    kExample);
    }
    std::uint32_t groups = 0;
    pcre2_pattern_info(code.get(), PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups == 0)
        return fail(ErrorCode::InvalidArgument,
                    "the regular expression '" + expression + "' has no group", kExample);
    Context context(pcre2_match_context_create(nullptr));
    Match match(pcre2_match_data_create_from_pattern(code.get(), nullptr));
    VELAMEN_ASSERT(context && match);
    pcre2_set_match_limit(context.get(), kMostSteps);
    pcre2_set_heap_limit(context.get(), kMostMemory);
    return PathPattern(
        std::make_unique<State>(State{std::move(code), std::move(context), std::move(match)}));
}

Result<std::optional<std::string>> PathPattern::find(std::string_view path) const
{
    const int found = pcre2_match(state_->code.get(), reinterpret_cast<PCRE2_SPTR>(path.data()),
                                  path.size(), 0, 0, state_->match.get(), state_->context.get());
    if (found == PCRE2_ERROR_NOMATCH) return std::optional<std::string>();
    if (found < 0)
        return fail(ErrorCode::InvalidArgument,
                    "the regular expression takes too many steps on a path",
                    "make it simpler: no repetition inside a repetition");
    const std::size_t* ends = pcre2_get_ovector_pointer(state_->match.get());
    if (found < 2 || ends[2] == PCRE2_UNSET) return std::optional<std::string>();
    return std::optional(std::string(path.substr(ends[2], ends[3] - ends[2])));
}

} // namespace velamen::data
