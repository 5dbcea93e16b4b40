// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen_cli/output.h"

#include <cmath>
#include <cstdio>

#include <fmt/format.h>

namespace velamen::app {

void Output::line(const std::string& text) const
{
    if (json_) return;
    std::fputs((text + "\n").c_str(), stdout);
    std::fflush(stdout);
}

void Output::answer(const io::Json& json) const
{
    if (!json_) return;
    std::fputs((json.dump(2) + "\n").c_str(), stdout);
    std::fflush(stdout);
}

void Output::event(const io::Json& json) const
{
    if (!json_) return;
    std::fputs((json.dump() + "\n").c_str(), stdout);
    std::fflush(stdout);
}

int Output::fail(const Error& error) const
{
    if (json_) {
        io::Json body = io::Json::object();
        body["code"] = name_of(error.code);
        body["message"] = error.message;
        body["hint"] = error.hint;
        io::Json document = io::Json::object();
        document["error"] = body;
        answer(document);
    } else {
        std::fprintf(stderr, "velamen-cli: %s\n", error.message.c_str());
        if (!error.hint.empty()) std::fprintf(stderr, "  way out: %s\n", error.hint.c_str());
        if (error.code == ErrorCode::Incomplete)
            std::fprintf(stderr,
                         "  velamen-cli convert takes the answers and writes a folder that "
                         "every command takes\n");
    }
    return exitCodeOf(error.code);
}

int exitCodeOf(ErrorCode code)
{
    switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::Incomplete:
    case ErrorCode::NotFound:
    case ErrorCode::Corrupt:
    case ErrorCode::Unsupported:
    case ErrorCode::Refused:
        return Refused;
    case ErrorCode::Unreadable:
    case ErrorCode::Busy:
    case ErrorCode::NoSpace:
    case ErrorCode::OutOfMemory:
    case ErrorCode::Cancelled:
    case ErrorCode::Internal:
        return Failed;
    }
    return Failed;
}

std::string grouped(long long number)
{
    std::string digits = std::to_string(number < 0 ? -number : number);
    for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), " ");
    return number < 0 ? "-" + digits : digits;
}

std::string duration(double seconds)
{
    const auto whole = std::llround(seconds);
    if (whole < 120) return fmt::format("{} s", whole);
    if (whole < 7200) return fmt::format("{} min {} s", whole / 60, whole % 60);
    return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string fixed(double value, int decimals) { return fmt::format("{:.{}f}", value, decimals); }

} // namespace velamen::app
