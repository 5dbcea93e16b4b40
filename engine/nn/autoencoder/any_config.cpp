// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/autoencoder/any_config.h"

#include "engine/nn/autoencoder/model.h"

namespace velamen::nn {

Result<AutoencoderConfig> AutoencoderConfig::from_json(const io::Json& json)
{
    VELAMEN_ASSIGN(const std::string name, json.text_or("_class_name", "AutoencoderKL"));
    if (name == "AutoencoderKL") {
        VELAMEN_ASSIGN(AutoencoderKLConfig config, AutoencoderKLConfig::from_json(json));
        return AutoencoderConfig(std::move(config));
    }
    if (name == "VQModel") {
        VELAMEN_ASSIGN(VqModelConfig config, VqModelConfig::from_json(json));
        return AutoencoderConfig(std::move(config));
    }
    return fail(ErrorCode::Unsupported, "the autoencoder is a " + name + ", which is not supported",
                "supported are AutoencoderKL and VQModel");
}

AutoencoderSizes AutoencoderConfig::sizes() const
{
    if (const auto* kl = std::get_if<AutoencoderKLConfig>(&config_)) return sizes_of(*kl);
    return sizes_of(std::get<VqModelConfig>(config_));
}

std::shared_ptr<Autoencoder> AutoencoderConfig::make() const
{
    if (const auto* kl = std::get_if<AutoencoderKLConfig>(&config_))
        return std::make_shared<AutoencoderKLImpl>(*kl);
    return std::make_shared<VqModelImpl>(std::get<VqModelConfig>(config_));
}

} // namespace velamen::nn
