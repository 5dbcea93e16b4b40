// SPDX-License-Identifier: GPL-3.0-or-later
//
// The three UNets that speed is measured on.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/nn/unet/config.h"

namespace velamen::app {

struct BenchModel {
    nn::UNet2DConditionConfig unet;
    std::int64_t tokens = 1;
    std::int64_t batch = 1;
};

/// "mnist", "cifar" or "sd256".
std::optional<BenchModel> benchModel(const std::string& name);

} // namespace velamen::app
