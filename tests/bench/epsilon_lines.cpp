// SPDX-License-Identifier: GPL-3.0-or-later
//
// The accountant for scripts: one JSON object with rate, noise, steps, delta and neighbours a line
// in, one with epsilon and epsilon_rdp, or error, a line out. Used by cross_check_accountant.py.

#include <cmath>
#include <iostream>
#include <string>

#include "engine/io/json.h"
#include "engine/privacy/accountant.h"

namespace velamen::privacy {
namespace {

Result<io::Json> answer(const std::string& line)
{
    VELAMEN_ASSIGN(const io::Json ask, io::Json::parse(line));
    const auto number = [&](const char* key) { return ask.number_or(key, NAN).value_or(NAN); };
    const io::Json* name = ask.find("neighbours");
    const std::string* text = name == nullptr ? nullptr : name->if_string();
    VELAMEN_ASSIGN(const auto relation, any_neighbours_of(text == nullptr ? "zero_out" : *text));
    VELAMEN_ASSIGN(const auto rate, SamplingRate::create(number("rate")));
    VELAMEN_ASSIGN(const auto noise, NoiseMultiplier::create(number("noise")));
    const double count = number("steps");
    VELAMEN_ASSIGN(
        const auto steps,
        Steps::create(count >= 1.0 && count < 9e18 ? static_cast<std::int64_t>(count) : 0));
    VELAMEN_ASSIGN(const auto delta, Delta::create(number("delta")));
    const Segment segment{{rate, noise}, steps};
    VELAMEN_ASSIGN(const auto epsilon, pld_epsilon({&segment, 1}, delta, relation));
    io::Json out = io::Json::object();
    out["epsilon"] = epsilon.value();
    out["epsilon_rdp"] = rdp_epsilon({&segment, 1}, delta, relation).epsilon.value();
    return out;
}

} // namespace
} // namespace velamen::privacy

int main()
{
    for (std::string line; std::getline(std::cin, line);) {
        const auto result = velamen::privacy::answer(line);
        velamen::io::Json out = velamen::io::Json::object();
        if (result)
            out = *result;
        else
            out["error"] = result.error().message;
        std::cout << out.dump() << std::endl;
    }
}
