// SPDX-License-Identifier: GPL-3.0-or-later
//
// Blocks of the UNet and the selections over them (see "Selections of trained tensors" in the
// handbook's chapter on models).

#include "engine/checkpoint/blocks.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include "engine/checkpoint/checkpoint.h"

namespace velamen::checkpoint {

namespace {

constexpr std::string_view kUNetPrefix = "unet/";
constexpr std::string_view kEmbedderPrefix = "class_embedder/";

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

bool contains_segment(std::string_view name, std::string_view segment)
{
    const auto segments = split(name);
    return std::ranges::find(segments, segment) != segments.end();
}

/// A selection as typed.
struct Rule {
    enum class Kind { Attention, Qkvo, Cross, Full } kind = Kind::Attention;
    std::int64_t from = 1; ///< first transformer block, 1-based
};

Result<Rule> parse(const std::string& text)
{
    static const std::map<std::string, Rule::Kind> kinds{{"attention", Rule::Kind::Attention},
                                                         {"qkvo", Rule::Kind::Qkvo},
                                                         {"cross", Rule::Kind::Cross},
                                                         {"full", Rule::Kind::Full}};
    if (const auto found = kinds.find(text); found != kinds.end())
        return Rule{.kind = found->second};
    constexpr std::string_view prefix = "attention:from=";
    if (text.starts_with(prefix)) {
        const std::string digits = text.substr(prefix.size());
        std::int64_t from = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), from);
        if (error == std::errc() && end == digits.data() + digits.size() && from >= 1)
            return Rule{.from = from};
    }
    return fail(ErrorCode::InvalidArgument, "there is no selection '" + text + "'",
                "choose attention, attention:from=k (k = 1, 2, ... in the order input, middle, "
                "output), qkvo, cross or full");
}

bool takes(const Rule& rule, std::string_view tensor, std::int64_t attention_index)
{
    if (tensor.starts_with(kEmbedderPrefix) || rule.kind == Rule::Kind::Full) return true;
    if (attention_index == 0) return false;
    const auto is_projection = [&] {
        return contains_segment(tensor, "to_q") || contains_segment(tensor, "to_k")
            || contains_segment(tensor, "to_v") || contains_segment(tensor, "to_out");
    };
    switch (rule.kind) {
    case Rule::Kind::Attention:
        return attention_index >= rule.from;
    case Rule::Kind::Qkvo:
        return is_projection();
    case Rule::Kind::Cross:
        return contains_segment(tensor, "attn2");
    case Rule::Kind::Full:
        return true;
    }
    return false;
}

} // namespace

BlockName block_of(std::string_view tensor)
{
    if (tensor.starts_with(kEmbedderPrefix)) return {.name = "class_embedder", .order = {0, -1}};
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

bool is_dead_under_one_token(std::string_view tensor)
{
    const auto parts = split(tensor);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
        if (parts[i] == "attn2" && (parts[i + 1] == "to_q" || parts[i + 1] == "to_k")) return true;
    return contains_segment(tensor, "transformer_blocks") && contains_segment(tensor, "norm2");
}

Result<std::vector<std::string>> select_tensors(const std::vector<std::string>& all_names,
                                                const std::string& selection, bool skip_dead)
{
    VELAMEN_ASSIGN(const Rule rule, parse(selection));
    std::map<std::array<std::int64_t, 5>, std::int64_t> attention_index; // 1-based, graph order
    for (const std::string& name : all_names)
        if (const BlockName block = block_of(name); block.is_attention)
            attention_index.emplace(block.order, 0);
    std::int64_t count = 0;
    for (auto& [order, index] : attention_index)
        index = ++count;
    if (rule.kind != Rule::Kind::Full && count == 0)
        return fail(ErrorCode::Unsupported, "this checkpoint has no transformer block to train",
                    "choose a checkpoint with cross-attention");
    if (rule.kind != Rule::Kind::Full && rule.from > count)
        return fail(ErrorCode::InvalidArgument,
                    "the selection '" + selection + "' starts after the last of "
                        + std::to_string(count) + " transformer blocks",
                    "choose a k between 1 and " + std::to_string(count));

    std::vector<std::string> out;
    for (const std::string& name : all_names) {
        const BlockName block = block_of(name);
        const std::int64_t index = block.is_attention ? attention_index.at(block.order) : 0;
        if (takes(rule, name, index) && !(skip_dead && is_dead_under_one_token(name)))
            out.push_back(name);
    }
    return out;
}

} // namespace velamen::checkpoint
