// SPDX-License-Identifier: GPL-3.0-or-later
//
// How commands answer: sentences for people, one JSON document for scripts. Exit codes: 0 ok, 1
// refused or not valid, 2 usage, 3 failed.

#pragma once

#include <string>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::app {

enum ExitCode : int { Ok = 0, Refused = 1, Usage = 2, Failed = 3 };

class Output {
public:
    explicit Output(bool json) : json_(json) {}

    bool isJson() const { return json_; }
    /// A line for people; nothing under --json.
    void line(const std::string& text) const;
    /// The answer for scripts; nothing without --json.
    void answer(const io::Json& json) const;
    /// One line of a stream of JSON documents; nothing without --json.
    void event(const io::Json& json) const;
    /// Prints the error in the right form and gives its exit code.
    int fail(const Error& error) const;

private:
    bool json_;
};

int exitCodeOf(ErrorCode code);

/// "1 234 567".
std::string grouped(long long number);
/// "12 s", "3 min 20 s", "1 h 5 min".
std::string duration(double seconds);
/// Fixed number of decimals, without trailing noise.
std::string fixed(double value, int decimals);

} // namespace velamen::app
