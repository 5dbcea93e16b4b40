// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names of tensors, grouped into the blocks that a person chooses from. Text only.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace velamen::checkpoint {

/// What names of tensors begin with.
inline constexpr std::string_view kUNetPrefix = "unet/";
inline constexpr std::string_view kEmbedderPrefix = "class_embedder/";

/// Whether the tensor is of the conditioner: a class table or a text encoder.
bool is_of_conditioner(std::string_view tensor);

/// "unet/down_blocks.0.attentions.1.norm.weight" lies in block "down_blocks.0.attentions.1".
struct BlockName {
    std::string name;
    std::array<std::int64_t, 5> order{}; ///< graph order: input, middle, output
    bool is_attention = false;           ///< a whole transformer block
};

BlockName block_of(std::string_view tensor);

/// Whether `segment` stands between two dots of `name`, or at an end of it.
bool has_segment(std::string_view name, std::string_view segment);

/// Whether a class table is among the tensors: then the context has one token.
bool has_one_token(const std::vector<std::string>& tensors);

/// attn2.to_q, attn2.to_k (also their low-rank factors) and norm2: no gradient under a context of
/// one token.
bool is_dead_under_one_token(std::string_view tensor);

} // namespace velamen::checkpoint
