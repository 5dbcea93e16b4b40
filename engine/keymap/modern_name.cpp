// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/keymap/modern_name.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/keymap/part.h"

namespace velamen::keymap {

namespace {

bool is_number(std::string_view text)
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

std::string modern_name(std::string_view name)
{
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kRenamed{
        {{"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}}};
    const auto parts = segments(name);
    const std::size_t n = parts.size();
    if (n < 4 || parts[n - 4] != "attentions" || !is_number(parts[n - 3])
        || (parts[n - 1] != "weight" && parts[n - 1] != "bias"))
        return std::string(name);
    const auto* const at =
        std::ranges::find(kRenamed, parts[n - 2], [](const auto& pair) { return pair.first; });
    if (at == kRenamed.end()) return std::string(name);
    std::string out;
    for (std::size_t i = 0; i + 2 < n; ++i)
        out += std::string(parts[i]) + ".";
    return out + std::string(at->second) + "." + std::string(parts[n - 1]);
}

} // namespace velamen::keymap
