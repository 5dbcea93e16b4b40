// SPDX-License-Identifier: GPL-3.0-or-later
//
// The config of any UNet that there is a graph for, told apart by its class name.

#pragma once

#include <variant>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/unet/config.h"
#include "engine/nn/unet/unconditional_config.h"

namespace velamen::nn {

class UNetConfig {
public:
    UNetConfig(UNet2DConditionConfig config) : config_(std::move(config)) {}
    UNetConfig(UNet2DConfig config) : config_(std::move(config)) {}

    /// By "_class_name" (without one a UNet2DConditionModel); Unsupported for another class, errors
    /// of the configs otherwise.
    static Result<UNetConfig> from_json(const io::Json& json);
    io::Json to_json() const;
    /// As diffusers calls it, or Velamen where diffusers has no such class.
    std::string class_name() const;
    UNetPlan plan() const;

private:
    std::variant<UNet2DConditionConfig, UNet2DConfig> config_;
};

} // namespace velamen::nn
