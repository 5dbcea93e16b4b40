// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/autoencoder/vq_model.h"

#include <ATen/ATen.h>

#include "engine/core/assert.h"

namespace velamen::nn {

Result<VqModelConfig> VqModelConfig::from_json(const io::Json& json)
{
    VqModelConfig c;
    VELAMEN_ASSIGN(const std::string norm, json.text_or("norm_type", "group"));
    if (norm != "group")
        return fail(ErrorCode::Unsupported,
                    "the autoencoder's config has norm_type = " + norm
                        + ", which is not supported");
    VELAMEN_ASSIGN(const std::int64_t latents,
                   json.integer_or("latent_channels", c.coder.latent_channels));
    VELAMEN_ASSIGN(c.coder, AutoencoderKLConfig::from_json(json));
    c.coder.latent_channels = latents;
    VELAMEN_ASSIGN(c.coder.scaling_factor, json.number_or("scaling_factor", 1.0));
    VELAMEN_ASSIGN(c.num_vq_embeddings, json.integer_or("num_vq_embeddings", c.num_vq_embeddings));
    const io::Json* width = json.find("vq_embed_dim");
    c.vq_embed_dim = latents;
    if (width != nullptr && !width->is_null()) {
        VELAMEN_ASSIGN(c.vq_embed_dim, json.integer("vq_embed_dim"));
    }
    VELAMEN_TRY(c.check());
    return c;
}

io::Json VqModelConfig::to_json() const
{
    const io::Json shared = coder.to_json();
    io::Json out = io::Json::object();
    out["_class_name"] = "VQModel";
    for (const char* key :
         {"act_fn", "block_out_channels", "down_block_types", "in_channels", "latent_channels",
          "layers_per_block", "mid_block_add_attention", "norm_num_groups", "out_channels",
          "sample_size", "scaling_factor", "up_block_types"})
        out[key] = *shared.find(key);
    out["num_vq_embeddings"] = num_vq_embeddings;
    out["vq_embed_dim"] = vq_embed_dim;
    return out;
}

Result<> VqModelConfig::check() const
{
    VELAMEN_TRY(coder.check());
    for (const std::int64_t size : {num_vq_embeddings, vq_embed_dim})
        if (size < 1 || size > 1 << 20)
            return fail(ErrorCode::InvalidArgument,
                        "the autoencoder's config is not consistent: the codebook's sizes must be "
                        "positive");
    return {};
}

VqModelImpl::VqModelImpl(const VqModelConfig& config) : config_(config)
{
    VELAMEN_ASSERT(config.check().has_value());
    const std::int64_t z = config.coder.latent_channels, width = config.vq_embed_dim;
    encoder_ = register_module("encoder", make_encoder(config.coder, false));
    decoder_ = register_module("decoder", make_decoder(config.coder));
    quant_conv_ =
        register_module("quant_conv", Conv(ConvOptions{.in = z, .out = width, .kernel = 1}));
    post_quant_conv_ =
        register_module("post_quant_conv", Conv(ConvOptions{.in = width, .out = z, .kernel = 1}));
    codebook_ = Embedding(config.num_vq_embeddings, width);
    const auto quantize = std::make_shared<torch::nn::Module>();
    quantize->register_module("embedding", codebook_.ptr());
    register_module("quantize", quantize);
}

Posterior VqModelImpl::encode(const at::Tensor& x)
{
    return certain(quant_conv_(encoder_->forward(x)));
}

AutoencoderSizes VqModelImpl::sizes() const { return sizes_of(config_); }

AutoencoderSizes sizes_of(const VqModelConfig& config)
{
    AutoencoderSizes sizes = sizes_of(config.coder);
    sizes.latent_channels = config.vq_embed_dim;
    return sizes;
}

at::Tensor VqModelImpl::nearest(const at::Tensor& z)
{
    const at::Tensor rows = z.permute({0, 2, 3, 1}).contiguous(); // [N, h, w, Z]
    const at::Tensor ids =
        at::argmin(at::cdist(rows.view({-1, rows.size(3)}), codebook_->weight), 1);
    const at::Tensor found = codebook_(ids).view(rows.sizes());
    // Not `found` itself: diffusers adds the difference, and the rounding is part of its answer.
    return (rows + (found - rows)).permute({0, 3, 1, 2}).contiguous();
}

at::Tensor VqModelImpl::decode(const at::Tensor& z)
{
    return decoder_->forward(post_quant_conv_(nearest(z)));
}

} // namespace velamen::nn
