// SPDX-License-Identifier: GPL-3.0-or-later
//
// How everything that a person, a file or a device can cause is reported: a value or an Error.
// Preconditions broken by our own code are not errors; see assert.h.

#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace velamen {

enum class ErrorCode {
    InvalidArgument, ///< a number or name that a person typed is outside its range
    Incomplete,      ///< a file leaves open what only a person can tell
    NotFound,
    Unreadable,  ///< the operating system refused to read or write
    Corrupt,     ///< readable, but not what it claims to be
    Unsupported, ///< valid, but not something this program handles
    Refused,     ///< against a rule of the guarantee (budget, ledger, foreign checkpoint)
    Busy,        ///< locked by another process
    NoSpace,
    OutOfMemory,
    Cancelled,
    Internal,
};

/// The name used in `--json` output: "invalid_argument", "not_found", ...
const char* name_of(ErrorCode code) noexcept;

/// `message`: one sentence naming the thing and the cause. `hint`: the way out, may be empty.
struct Error {
    ErrorCode code = ErrorCode::Internal;
    std::string message;
    std::string hint{};
};

template <class T = void>
using Result = tl::expected<T, Error>;

/// `return fail(ErrorCode::NotFound, "no such folder: x", "choose another folder");`
[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message,
                                                std::string hint = {})
{
    return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint)});
}

[[nodiscard]] inline tl::unexpected<Error> fail(Error error)
{
    return tl::unexpected<Error>(std::move(error));
}

} // namespace velamen

/// Returns the error of `expression` from the enclosing function, if there is one.
#define VELAMEN_TRY(expression)                                                                    \
    do {                                                                                           \
        if (auto velamen_try_result = (expression); !velamen_try_result)                           \
            return ::velamen::fail(std::move(velamen_try_result).error());                         \
    } while (false)

/// `VELAMEN_ASSIGN(auto bytes, read_file(path));`
#define VELAMEN_ASSIGN_JOIN2(a, b) a##b
#define VELAMEN_ASSIGN_JOIN(a, b) VELAMEN_ASSIGN_JOIN2(a, b)
#define VELAMEN_ASSIGN(declaration, expression)                                                    \
    auto VELAMEN_ASSIGN_JOIN(velamen_result_, __LINE__) = (expression);                            \
    if (!VELAMEN_ASSIGN_JOIN(velamen_result_, __LINE__))                                           \
        return ::velamen::fail(std::move(VELAMEN_ASSIGN_JOIN(velamen_result_, __LINE__)).error()); \
    declaration = std::move(*VELAMEN_ASSIGN_JOIN(velamen_result_, __LINE__))
