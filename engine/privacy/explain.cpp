// SPDX-License-Identifier: GPL-3.0-or-later
//
// Words for epsilon and delta (Nanayakkara et al., USENIX Security 2023: odds, not adjectives).
// Every figure is rounded towards less privacy; 1e-9 of a digit is taken as round-off of doubles.

#include "engine/privacy/explain.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/core/assert.h"
#include "engine/privacy/checked.h"

namespace velamen::privacy {
namespace {

constexpr double kRoundOff = 1e-9;

/// `value` rounded up to `decimals`, without trailing zeros.
std::string rounded_up(double value, int decimals)
{
    const double scale = std::pow(10.0, decimals);
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals,
                  std::ceil(value * scale - kRoundOff) / scale);
    std::string result = text;
    if (result.find('.') != std::string::npos) {
        result.erase(result.find_last_not_of('0') + 1);
        if (result.back() == '.') result.pop_back();
    }
    return result;
}

/// One decimal below 10, none below 99, two near certainty; two digits when tiny.
std::string percent_number(double percent)
{
    if (percent <= 0.0) return "0";
    if (percent < 0.1)
        return rounded_up(percent,
                          std::min(15, 1 - static_cast<int>(std::floor(std::log10(percent)))));
    return rounded_up(percent, percent < 10.0 ? 1 : percent < 99.0 ? 0 : 2);
}

/// "100 000"
std::string grouped(double whole)
{
    char text[400];
    std::snprintf(text, sizeof text, "%.0f", whole);
    const std::string digits = text;
    std::string result;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) result += ' ';
        result += digits[i];
    }
    return result;
}

} // namespace

double posterior(double prior, Epsilon epsilon)
{
    const double p = std::clamp(prior, 0.0, 1.0);
    if (!(p > 0.0)) return 0.0; // also for NaN
    // p e^eps / (1 + p (e^eps - 1)) = 1 / (1 + (1 - p) / p e^-eps), which cannot overflow
    return 1.0 / (1.0 + (1.0 - p) / p * std::exp(-epsilon.value()));
}

std::string posterior_text(double prior, Epsilon epsilon)
{
    return percent_number(100.0 * posterior(prior, epsilon)) + " %";
}

std::string odds_sentence(Epsilon epsilon, const std::string& unit_name)
{
    const bool has_vowel =
        !unit_name.empty() && std::string("aeiouAEIO").find(unit_name.front()) != std::string::npos;
    return std::string("A 1-in-100 suspicion that ") + (has_vowel ? "an " : "a ") + unit_name
        + " is in the folder can rise to at most about "
        + percent_number(100.0 * posterior(0.01, epsilon)) + " in 100.";
}

std::string delta_sentence(Delta delta)
{
    return "The sentence above may fail with a chance of about " + one_in(delta.value()) + ".";
}

std::string strength_label(Epsilon epsilon)
{
    const double e = epsilon.value();
    if (e <= 0.1) return "very strong";
    if (e <= 1.0) return "strong";
    if (e <= 2.0) return "moderate";
    if (e <= 4.0) return "weak";
    return "very weak worst case";
}

std::string epsilon_text(Epsilon epsilon)
{
    const double e = epsilon.value();
    if (std::isinf(e)) return "unbounded";
    char text[64];
    if (e < 1e9)
        std::snprintf(text, sizeof text, "%.2f",
                      std::max(0.0, std::ceil(e * 100.0 - kRoundOff)) / 100.0);
    else
        std::snprintf(text, sizeof text, "%.2e", e * 1.01); // 1 % is more than its last digit
    return text;
}

std::string one_in(double probability)
{
    if (!(probability > 0.0)) return "never";
    const double count = 1.0 / probability * (1.0 + kRoundOff);
    if (count < 2.0) return "1 in 1";
    if (count > 1e18) return "1 in " + grouped(1e18);
    double whole = std::floor(count);
    if (whole >= 1000.0) { // two digits are enough for a chance, and dropping the rest enlarges it
        const double unit = std::pow(10.0, std::floor(std::log10(whole)) - 1.0);
        whole = std::floor(whole / unit * (1.0 + 1e-12)) * unit;
    }
    return "1 in " + grouped(whole);
}

Delta default_delta(std::int64_t public_units)
{
    VELAMEN_ASSERT(public_units >= 1);
    constexpr double kPowers[] = {1e-6,  1e-7,  1e-8,  1e-9,  1e-10, 1e-11, 1e-12, 1e-13,
                                  1e-14, 1e-15, 1e-16, 1e-17, 1e-18, 1e-19, 1e-20};
    std::size_t at = 0;
    // 10^-(6 + at) <= 1 / (10 N)  <=>  10^(5 + at) >= N, in integers
    for (std::uint64_t power = 100'000; power < static_cast<std::uint64_t>(public_units);
         power *= 10)
        ++at;
    return checked<Delta>(kPowers[at]);
}

} // namespace velamen::privacy
