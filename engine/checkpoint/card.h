// SPDX-License-Identifier: GPL-3.0-or-later
//
// velamen.json as text. What the fields mean is in checkpoint.h.

#pragma once

#include "engine/checkpoint/checkpoint.h"

namespace velamen::checkpoint {

Result<Card> card_from_json(const io::Json& json);
io::Json card_to_json(const Card& card);

/// Empty when card, class table (class_rows 0: none) and latents fit each other; else what is wrong
/// with them.
std::vector<std::string> card_problems(const Card& card, std::int64_t class_rows,
                                       std::int64_t latent_channels, std::int64_t latent_size);

} // namespace velamen::checkpoint
