// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where a public training run stands, as the header of its state file says it.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/train/public/pretrain.h"

namespace velamen::train {

/// The tensors are in the same file.
struct Position {
    bool is_unet = false;
    std::int64_t step = 0;         ///< steps done in this stage
    double psnr = 0.0;             ///< of the finished autoencoder
    double autoencoder_loss = 0.0; ///< both losses: averaged over about 50 steps
    double unet_loss = 0.0;
    std::vector<std::string> classes;
    std::int64_t images = 0;
};

/// With the plan that the state belongs to.
io::Json to_json(const Position& position, const PretrainPlan& plan);

/// Refused when the state belongs to another plan, Corrupt when it says what cannot be.
Result<Position> position_of(const io::Json& header, const PretrainPlan& plan);

} // namespace velamen::train
