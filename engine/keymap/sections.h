// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which tensor of a single file belongs to which model, by whole segments of its name.

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/keymap/part.h"

namespace velamen::keymap {

struct Sections {
    explicit Sections(std::span<const Entry> entries)
        : unet(entries), average(entries), autoencoder(entries), condition(entries), tiny(entries),
          rest(entries)
    {
    }

    Part unet;        ///< without "model.diffusion_model."
    Part average;     ///< without "model_ema."
    Part autoencoder; ///< without "first_stage_model."
    Part condition;   ///< without "cond_stage_model."
    Part tiny;        ///< names that are numbers
    Part rest;        ///< nobody's
    std::vector<std::string> ignored;
    std::optional<std::size_t> scale_factor, betas;
};

/// Corrupt when a name is there twice or a shape is impossible.
Result<Sections> divide(std::span<const Entry> entries);

} // namespace velamen::keymap
