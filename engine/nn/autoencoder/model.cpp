// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/autoencoder/model.h"

#include <ATen/ATen.h>

#include "engine/core/assert.h"

namespace velamen::nn {

AutoencoderKLImpl::AutoencoderKLImpl(const AutoencoderKLConfig& config) : config_(config)
{
    VELAMEN_ASSERT(config.check().has_value());
    const std::int64_t z = config.latent_channels;
    encoder_ = register_module("encoder", make_encoder(config, true));
    decoder_ = register_module("decoder", make_decoder(config));
    if (config.use_quant_conv)
        quant_conv_ = register_module("quant_conv",
                                      Conv(ConvOptions{.in = 2 * z, .out = 2 * z, .kernel = 1}));
    if (config.use_post_quant_conv)
        post_quant_conv_ =
            register_module("post_quant_conv", Conv(ConvOptions{.in = z, .out = z, .kernel = 1}));
}

Posterior AutoencoderKLImpl::encode(const at::Tensor& x)
{
    at::Tensor moments = encoder_->forward(x);
    if (quant_conv_) moments = quant_conv_(moments);
    const auto halves = moments.chunk(2, 1);
    return {.mean = halves[0], .logvar = at::clamp(halves[1], -30.0, 20.0)};
}

at::Tensor AutoencoderKLImpl::decode(const at::Tensor& z)
{
    return decoder_->forward(post_quant_conv_ ? post_quant_conv_(z) : z);
}

AutoencoderSizes AutoencoderKLImpl::sizes() const { return sizes_of(config_); }

} // namespace velamen::nn
