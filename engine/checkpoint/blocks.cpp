// SPDX-License-Identifier: GPL-3.0-or-later
//
// Blocks of the UNet by the names of its tensors.

#include "engine/checkpoint/blocks.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace velamen::checkpoint {

namespace {

std::vector<std::string_view> split(std::string_view text)
{
    std::vector<std::string_view> out;
    while (true) {
        const std::size_t dot = text.find('.');
        out.push_back(text.substr(0, dot));
        if (dot == std::string_view::npos) return out;
        text.remove_prefix(dot + 1);
    }
}

std::int64_t number(std::string_view text)
{
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

} // namespace

bool is_of_conditioner(std::string_view tensor)
{
    return tensor.find('/') != std::string_view::npos && !tensor.starts_with(kUNetPrefix);
}

bool has_one_token(const std::vector<std::string>& tensors)
{
    return std::ranges::any_of(
        tensors, [](const std::string& name) { return name.starts_with(kEmbedderPrefix); });
}

BlockName block_of(std::string_view tensor)
{
    if (is_of_conditioner(tensor))
        return {.name = std::string(tensor.substr(0, tensor.find('/'))), .order = {0, -1}};
    const std::string_view key =
        tensor.starts_with(kUNetPrefix) ? tensor.substr(kUNetPrefix.size()) : tensor;
    const auto parts = split(key);
    const auto kind_order = [](std::string_view kind) {
        return kind == "resnets" ? 0 : kind == "attentions" ? 1 : 2;
    };
    if (parts.front() == "conv_in" || parts.front() == "time_embedding")
        return {.name = std::string(parts.front()), .order = {parts.front() == "conv_in" ? 0 : 1}};
    const bool is_mid = parts.front() == "mid_block";
    const std::size_t at = is_mid ? 1 : 2; // where resnets, attentions, ... stand
    if ((is_mid || parts.front() == "down_blocks" || parts.front() == "up_blocks")
        && parts.size() > at + 1) {
        const std::string_view kind = parts[at];
        const std::int64_t stage = is_mid ? 0 : number(parts[1]), index = number(parts[at + 1]);
        BlockName out;
        for (std::size_t i = 0; i <= at + 1; ++i)
            out.name += (i == 0 ? "" : ".") + std::string(parts[i]);
        const bool is_sampler = kind_order(kind) == 2;
        out.order = {is_mid                               ? 3
                         : parts.front() == "down_blocks" ? 2
                                                          : 4,
                     stage, is_sampler ? 1 : 0, index, kind_order(kind)};
        out.is_attention = kind == "attentions";
        return out;
    }
    return {.name = std::string(parts.front()),
            .order = {parts.front() == "conv_norm_out" ? 5 : 6}};
}

bool has_segment(std::string_view name, std::string_view segment)
{
    const auto segments = split(name);
    return std::ranges::find(segments, segment) != segments.end();
}

bool is_dead_under_one_token(std::string_view tensor)
{
    const auto parts = split(tensor);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
        if (parts[i] == "attn2" && (parts[i + 1] == "to_q" || parts[i + 1] == "to_k")) return true;
    return has_segment(tensor, "transformer_blocks") && has_segment(tensor, "norm2");
}

} // namespace velamen::checkpoint
