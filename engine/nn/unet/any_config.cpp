// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/unet/any_config.h"

namespace velamen::nn {

Result<UNetConfig> UNetConfig::from_json(const io::Json& json)
{
    VELAMEN_ASSIGN(const std::string name, json.text_or("_class_name", "UNet2DConditionModel"));
    if (name == "UNet2DConditionModel" || name == "LatentUNet2DCondition") {
        VELAMEN_ASSIGN(UNet2DConditionConfig config, UNet2DConditionConfig::from_json(json));
        return UNetConfig(std::move(config));
    }
    if (name == "UNet2DModel" || name == "LatentUNet2D") {
        VELAMEN_ASSIGN(UNet2DConfig config, UNet2DConfig::from_json(json));
        return UNetConfig(std::move(config));
    }
    return fail(ErrorCode::Unsupported, "the UNet is a " + name + ", which is not supported",
                "supported are UNet2DConditionModel and UNet2DModel");
}

io::Json UNetConfig::to_json() const
{
    return std::visit([](const auto& config) { return config.to_json(); }, config_);
}

std::string UNetConfig::class_name() const { return *to_json().text("_class_name"); }

UNetPlan UNetConfig::plan() const
{
    return std::visit([](const auto& config) { return config.plan(); }, config_);
}

} // namespace velamen::nn
