// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a call gives that a test needs to go on.

#pragma once

#include <stdexcept>
#include <utility>

#include "engine/core/result.h"

namespace velamen::test {

/// The value, or an exception with the error's words, which ends the test.
template <class T>
T value(Result<T> result)
{
    if (!result) throw std::runtime_error(result.error().message + " / " + result.error().hint);
    return std::move(*result);
}

} // namespace velamen::test
