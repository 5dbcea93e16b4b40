// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/conditioner/ldm_bert.h"

#include <string>

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

namespace velamen::nn {

Result<LdmBertConfig> LdmBertConfig::from_json(const io::Json& json)
{
    LdmBertConfig c;
    VELAMEN_ASSIGN(c.vocab_size, json.integer_or("vocab_size", c.vocab_size));
    VELAMEN_ASSIGN(c.d_model, json.integer_or("d_model", c.d_model));
    VELAMEN_ASSIGN(c.encoder_layers, json.integer_or("encoder_layers", c.encoder_layers));
    VELAMEN_ASSIGN(c.encoder_ffn_dim, json.integer_or("encoder_ffn_dim", c.encoder_ffn_dim));
    VELAMEN_ASSIGN(c.encoder_attention_heads,
                   json.integer_or("encoder_attention_heads", c.encoder_attention_heads));
    VELAMEN_ASSIGN(c.head_dim, json.integer_or("head_dim", c.head_dim));
    VELAMEN_ASSIGN(c.max_position_embeddings,
                   json.integer_or("max_position_embeddings", c.max_position_embeddings));
    VELAMEN_ASSIGN(const std::string act, json.text_or("activation_function", "gelu"));
    if (act != "gelu")
        return fail(ErrorCode::Unsupported,
                    "the text encoder's config has activation_function = " + act
                        + ", which is not supported",
                    "an LDMBert computes with gelu");
    VELAMEN_TRY(c.check());
    return c;
}

io::Json LdmBertConfig::to_json() const
{
    io::Json out = io::Json::object();
    out["activation_function"] = "gelu";
    out["architectures"] = io::Json::Array{"LDMBertModel"};
    out["d_model"] = d_model;
    out["encoder_attention_heads"] = encoder_attention_heads;
    out["encoder_ffn_dim"] = encoder_ffn_dim;
    out["encoder_layers"] = encoder_layers;
    out["head_dim"] = head_dim;
    out["max_position_embeddings"] = max_position_embeddings;
    out["model_type"] = "ldmbert";
    out["vocab_size"] = vocab_size;
    return out;
}

Result<> LdmBertConfig::check() const
{
    for (std::int64_t size : {vocab_size, d_model, encoder_layers, encoder_ffn_dim,
                              encoder_attention_heads, head_dim, max_position_embeddings})
        if (size < 1 || size > 1 << 20)
            return fail(ErrorCode::InvalidArgument,
                        "the text encoder's config is not consistent: sizes must be positive");
    if (encoder_layers > 1024)
        return fail(ErrorCode::InvalidArgument,
                    "the text encoder's config is not consistent: more than 1024 layers");
    return {};
}

/// x + attention(norm x), then + fc2(gelu(fc1(norm of that))).
class LdmBertLayerImpl final : public torch::nn::Module {
public:
    explicit LdmBertLayerImpl(const LdmBertConfig& c)
    {
        attention_ =
            register_module("self_attn",
                            TextAttention(TextAttentionOptions{.channels = c.d_model,
                                                               .heads = c.encoder_attention_heads,
                                                               .head_channels = c.head_dim,
                                                               .has_bias = false,
                                                               .is_causal = false}));
        norm1_ = register_module("self_attn_layer_norm", LayerNorm(c.d_model));
        in_ = register_module("fc1", Linear(c.d_model, c.encoder_ffn_dim));
        out_ = register_module("fc2", Linear(c.encoder_ffn_dim, c.d_model));
        norm2_ = register_module("final_layer_norm", LayerNorm(c.d_model));
    }

    at::Tensor forward(const at::Tensor& x) // [N, L, D]
    {
        const at::Tensor h = x + attention_(norm1_(x));
        return h + out_(at::gelu(in_(norm2_(h))));
    }

private:
    TextAttention attention_{nullptr};
    LayerNorm norm1_{nullptr}, norm2_{nullptr};
    Linear in_{nullptr}, out_{nullptr};
};

namespace {

/// "model": groups everything but to_logits in the checkpoint's keys.
class EncoderImpl final : public torch::nn::Module {
public:
    EncoderImpl(const Embedding& token, const Embedding& position,
                const torch::nn::ModuleList& layers, const LayerNorm& norm)
    {
        register_module("embed_tokens", token);
        register_module("embed_positions", position);
        register_module("layers", layers);
        register_module("layer_norm", norm);
    }
};

} // namespace

LdmBertImpl::LdmBertImpl(const LdmBertConfig& config) : config_(config)
{
    token_ = Embedding(config.vocab_size, config.d_model);
    position_ = Embedding(config.max_position_embeddings, config.d_model);
    torch::nn::ModuleList layers;
    for (std::int64_t i = 0; i < config.encoder_layers; ++i) {
        layers_.push_back(std::make_shared<LdmBertLayerImpl>(config));
        layers->push_back(layers_.back());
    }
    norm_ = LayerNorm(config.d_model);
    register_module("model", std::make_shared<EncoderImpl>(token_, position_, layers, norm_));
}

LdmBertImpl::~LdmBertImpl() = default;

at::Tensor LdmBertImpl::forward(const at::Tensor& ids)
{
    at::Tensor h = token_(ids) + positions(position_, ids);
    for (const auto& layer : layers_)
        h = layer->forward(h);
    return norm_(h);
}

} // namespace velamen::nn
