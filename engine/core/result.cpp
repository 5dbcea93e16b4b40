// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/core/result.h"

namespace velamen {

const char* name_of(ErrorCode code) noexcept
{
    switch (code) {
    case ErrorCode::InvalidArgument:
        return "invalid_argument";
    case ErrorCode::Incomplete:
        return "incomplete";
    case ErrorCode::NotFound:
        return "not_found";
    case ErrorCode::Unreadable:
        return "unreadable";
    case ErrorCode::Corrupt:
        return "corrupt";
    case ErrorCode::Unsupported:
        return "unsupported";
    case ErrorCode::Refused:
        return "refused";
    case ErrorCode::Busy:
        return "busy";
    case ErrorCode::NoSpace:
        return "no_space";
    case ErrorCode::OutOfMemory:
        return "out_of_memory";
    case ErrorCode::Cancelled:
        return "cancelled";
    case ErrorCode::Internal:
        return "internal";
    }
    return "internal";
}

} // namespace velamen
