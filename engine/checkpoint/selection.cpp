// SPDX-License-Identifier: GPL-3.0-or-later
//
// Selections of trained tensors (see the chapter of that name in the handbook).

#include "engine/checkpoint/selection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/core/assert.h"

namespace velamen::checkpoint {

namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kFrom = "attention:from=";
constexpr std::string_view kLora = "lora:";
constexpr const char* kFirstBlock = "attention:from=1";
constexpr const char* kCommonRank = "lora:4";

/// Insertions, deletions and replacements from one word to the other.
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
            diagonal = above;
        }
    }
    return row.back();
}

std::string nearest(const std::string& text)
{
    if (text.empty()) return "attention";
    static const std::array<std::string, 6> known{"attention", kFirstBlock, "qkvo",
                                                  "cross",     "full",      kCommonRank};
    return *std::ranges::min_element(known, {},
                                     [&](const std::string& word) { return distance(text, word); });
}

template <class Number>
std::optional<Number> number(std::string_view text)
{
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

tl::unexpected<Error> unknown(const std::string& text, const std::string& suggestion)
{
    return fail(ErrorCode::InvalidArgument, "there is no selection '" + text + "'",
                "the nearest is '" + suggestion
                    + "'; there are attention, attention:from=k (k = 1, 2, ... in the order input, "
                      "middle, output), qkvo, cross, lora:r, lora:r:alpha and full");
}

Result<Selection> parse_lora(const std::string& text)
{
    const std::string_view rest = std::string_view(text).substr(kLora.size());
    const std::size_t colon = rest.find(':');
    const auto rank = number<std::int64_t>(rest.substr(0, colon));
    if (!rank) return unknown(text, kCommonRank);
    if (*rank < 1) return unknown(text, "lora:1");
    Selection out{.kind = Selection::Kind::Lora, .rank = *rank};
    out.alpha = static_cast<double>(*rank);
    if (colon == std::string_view::npos) return out;
    const auto alpha = number<double>(rest.substr(colon + 1));
    if (!alpha || !std::isfinite(*alpha) || *alpha <= 0.0)
        return unknown(text, "lora:" + std::to_string(*rank));
    out.alpha = *alpha;
    return out;
}

bool is_projection(std::string_view tensor)
{
    return has_segment(tensor, "to_q") || has_segment(tensor, "to_k") || has_segment(tensor, "to_v")
        || has_segment(tensor, "to_out");
}

/// attention_index: 1, 2, ... of the tensor's transformer block, 0 outside.
bool takes(const Selection& selection, std::string_view tensor, std::int64_t attention_index)
{
    using Kind = Selection::Kind;
    if (selection.kind == Kind::Full) return true;
    if (attention_index == 0) return false;
    switch (selection.kind) {
    case Kind::Qkvo:
        return is_projection(tensor);
    case Kind::Cross:
        return has_segment(tensor, "attn2");
    case Kind::Lora:
        return is_projection(tensor) && tensor.ends_with(kWeight);
    default:
        return attention_index >= selection.from;
    }
}

/// Blocks in graph order -> 1, 2, ...
std::map<std::array<std::int64_t, 5>, std::int64_t>
attention_indices(const std::vector<std::string>& names)
{
    std::map<std::array<std::int64_t, 5>, std::int64_t> out;
    for (const std::string& name : names)
        if (const BlockName block = block_of(name); block.is_attention) out.emplace(block.order, 0);
    std::int64_t count = 0;
    for (auto& [order, index] : out)
        index = ++count;
    return out;
}

Result<> check_blocks(const Selection& selection, const std::string& text, std::int64_t count)
{
    if (selection.kind == Selection::Kind::Full) return {};
    if (count == 0)
        return fail(ErrorCode::Unsupported, "this checkpoint has no transformer block to train",
                    "choose 'full', or a checkpoint with cross-attention");
    if (selection.from > count)
        return fail(ErrorCode::InvalidArgument,
                    "the selection '" + text + "' starts after the last of " + std::to_string(count)
                        + " transformer blocks",
                    "the nearest is '" + std::string(kFrom) + std::to_string(count) + "'");
    return {};
}

} // namespace

Result<Selection> Selection::parse(const std::string& text)
{
    static const std::map<std::string, Kind> kinds{{"attention", Kind::Attention},
                                                   {"qkvo", Kind::Qkvo},
                                                   {"cross", Kind::Cross},
                                                   {"full", Kind::Full}};
    if (const auto found = kinds.find(text); found != kinds.end())
        return Selection{.kind = found->second};
    if (text.starts_with(kLora)) return parse_lora(text);
    if (text.starts_with(kFrom)) {
        const auto from = number<std::int64_t>(std::string_view(text).substr(kFrom.size()));
        if (from && *from >= 1) return Selection{.from = *from};
        return unknown(text, kFirstBlock);
    }
    return unknown(text, nearest(text));
}

std::string lora_name(std::string_view weight, char factor)
{
    VELAMEN_ASSERT(weight.ends_with(kWeight));
    weight.remove_suffix(kWeight.size());
    return std::string(weight) + ".lora_" + factor + std::string(kWeight);
}

bool is_lora_name(std::string_view tensor)
{
    return has_segment(tensor, "lora_A") || has_segment(tensor, "lora_B");
}

Result<std::vector<std::string>> select_tensors(const std::vector<std::string>& all_names,
                                                const std::string& selection, bool skip_dead,
                                                bool train_conditioner)
{
    VELAMEN_ASSIGN(const Selection chosen, Selection::parse(selection));
    const auto indices = attention_indices(all_names);
    VELAMEN_TRY(check_blocks(chosen, selection, static_cast<std::int64_t>(indices.size())));
    std::vector<std::string> out;
    bool is_empty = true; // the conditioner alone is no selection
    const bool skips = skip_dead && has_one_token(all_names);
    for (const std::string& name : all_names) {
        if (is_of_conditioner(name)) {
            if (train_conditioner) out.push_back(name);
            continue;
        }
        const BlockName block = block_of(name);
        const std::int64_t index = block.is_attention ? indices.at(block.order) : 0;
        if (!takes(chosen, name, index) || (skips && is_dead_under_one_token(name))) continue;
        out.push_back(name);
        is_empty = false;
    }
    if (is_empty)
        return fail(ErrorCode::Refused,
                    "the selection '" + selection + "' matches no tensor of this checkpoint",
                    "the nearest that does is 'full'");
    return out;
}

Result<std::vector<nn::NamedShape>> trained_shapes(const std::vector<nn::NamedShape>& all,
                                                   const std::string& selection, bool skip_dead,
                                                   bool train_conditioner)
{
    VELAMEN_ASSIGN(const Selection chosen, Selection::parse(selection));
    std::vector<std::string> names;
    std::map<std::string, Shape> shapes;
    for (const nn::NamedShape& one : all) {
        names.push_back(one.name);
        shapes.emplace(one.name, one.shape);
    }
    VELAMEN_ASSIGN(const std::vector<std::string> selected,
                   select_tensors(names, selection, skip_dead, train_conditioner));
    std::vector<nn::NamedShape> out;
    std::string narrowest;
    std::int64_t width = chosen.rank;
    for (const std::string& name : selected) {
        const Shape& shape = shapes.at(name);
        if (!chosen.is_lora() || is_of_conditioner(name) || shape.size() != 2) {
            out.push_back({name, shape});
            continue;
        }
        out.push_back({lora_name(name, 'A'), {chosen.rank, shape[1]}});
        out.push_back({lora_name(name, 'B'), {shape[0], chosen.rank}});
        if (const std::int64_t least = std::min(shape[0], shape[1]); least < width) {
            width = least;
            narrowest = name;
        }
    }
    if (!narrowest.empty())
        return fail(ErrorCode::InvalidArgument,
                    "the rank of '" + selection + "' is above the width " + std::to_string(width)
                        + " of " + narrowest,
                    "the nearest is 'lora:" + std::to_string(width) + "'");
    return out;
}

} // namespace velamen::checkpoint
