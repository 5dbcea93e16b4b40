// SPDX-License-Identifier: GPL-3.0-or-later
//
// The config of any autoencoder that latents are made with, told apart by its class name. The tiny
// one for previews (tiny.h) is not among them.

#pragma once

#include <memory>
#include <string>
#include <variant>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/autoencoder/autoencoder.h"
#include "engine/nn/autoencoder/config.h"
#include "engine/nn/autoencoder/vq_model.h"

namespace velamen::nn {

class AutoencoderConfig {
public:
    AutoencoderConfig(AutoencoderKLConfig config) : config_(std::move(config)) {}
    AutoencoderConfig(VqModelConfig config) : config_(std::move(config)) {}

    /// By "_class_name" (without one an AutoencoderKL); Unsupported for another class, errors of
    /// the configs otherwise.
    static Result<AutoencoderConfig> from_json(const io::Json& json);
    AutoencoderSizes sizes() const;
    std::shared_ptr<Autoencoder> make() const;

private:
    std::variant<AutoencoderKLConfig, VqModelConfig> config_;
};

} // namespace velamen::nn
