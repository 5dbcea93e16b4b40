// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/conditioner/clip_text.h"

#include <algorithm>
#include <memory>
#include <string>

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

namespace velamen::nn {

Result<ClipTextConfig> ClipTextConfig::from_json(const io::Json& json)
{
    ClipTextConfig c;
    VELAMEN_ASSIGN(c.vocab_size, json.integer_or("vocab_size", c.vocab_size));
    VELAMEN_ASSIGN(c.hidden_size, json.integer_or("hidden_size", c.hidden_size));
    VELAMEN_ASSIGN(c.intermediate_size, json.integer_or("intermediate_size", c.intermediate_size));
    VELAMEN_ASSIGN(c.num_hidden_layers, json.integer_or("num_hidden_layers", c.num_hidden_layers));
    VELAMEN_ASSIGN(c.num_attention_heads,
                   json.integer_or("num_attention_heads", c.num_attention_heads));
    VELAMEN_ASSIGN(c.max_position_embeddings,
                   json.integer_or("max_position_embeddings", c.max_position_embeddings));
    VELAMEN_ASSIGN(c.layer_norm_eps, json.number_or("layer_norm_eps", c.layer_norm_eps));
    VELAMEN_ASSIGN(const std::string act, json.text_or("hidden_act", name_of(c.hidden_act)));
    VELAMEN_ASSIGN(c.hidden_act, text_activation_of(act));
    VELAMEN_TRY(c.check());
    return c;
}

io::Json ClipTextConfig::to_json() const
{
    io::Json out = io::Json::object();
    out["architectures"] = io::Json::Array{"CLIPTextModel"};
    out["hidden_act"] = name_of(hidden_act);
    out["hidden_size"] = hidden_size;
    out["intermediate_size"] = intermediate_size;
    out["layer_norm_eps"] = layer_norm_eps;
    out["max_position_embeddings"] = max_position_embeddings;
    out["model_type"] = "clip_text_model";
    out["num_attention_heads"] = num_attention_heads;
    out["num_hidden_layers"] = num_hidden_layers;
    out["vocab_size"] = vocab_size;
    return out;
}

Result<> ClipTextConfig::check() const
{
    const auto bad = [](std::string what) {
        return fail(ErrorCode::InvalidArgument,
                    "the text encoder's config is not consistent: " + what);
    };
    for (std::int64_t size : {vocab_size, hidden_size, intermediate_size, num_hidden_layers,
                              num_attention_heads, max_position_embeddings})
        if (size < 1 || size > 1 << 20) return bad("sizes must be positive");
    if (num_hidden_layers > 1024) return bad("more than 1024 layers");
    if (hidden_size % num_attention_heads != 0)
        return bad("hidden_size must be a multiple of num_attention_heads");
    if (!(layer_norm_eps > 0.0)) return bad("layer_norm_eps must be positive");
    return {};
}

/// x + attention(norm x), then + mlp(norm of that).
class ClipLayerImpl final : public torch::nn::Module {
public:
    explicit ClipLayerImpl(const ClipTextConfig& c) : activation_(c.hidden_act)
    {
        attention_ = register_module("self_attn",
                                     TextAttention(TextAttentionOptions{
                                         .channels = c.hidden_size,
                                         .heads = c.num_attention_heads,
                                         .head_channels = c.hidden_size / c.num_attention_heads}));
        norm1_ = register_module("layer_norm1", LayerNorm(c.hidden_size, c.layer_norm_eps));
        const auto mlp = std::make_shared<torch::nn::Module>(); // groups keys
        in_ = Linear(c.hidden_size, c.intermediate_size);
        out_ = Linear(c.intermediate_size, c.hidden_size);
        mlp->register_module("fc1", in_.ptr());
        mlp->register_module("fc2", out_.ptr());
        register_module("mlp", mlp);
        norm2_ = register_module("layer_norm2", LayerNorm(c.hidden_size, c.layer_norm_eps));
    }

    at::Tensor forward(const at::Tensor& x) // [N, L, D]
    {
        const at::Tensor h = x + attention_(norm1_(x));
        return h + out_(activate(activation_, in_(norm2_(h))));
    }

private:
    TextActivation activation_;
    TextAttention attention_{nullptr};
    LayerNorm norm1_{nullptr}, norm2_{nullptr};
    Linear in_{nullptr}, out_{nullptr};
};

ClipTextImpl::ClipTextImpl(const ClipTextConfig& config) : config_(config)
{
    token_ = Embedding(config.vocab_size, config.hidden_size);
    position_ = Embedding(config.max_position_embeddings, config.hidden_size);
    const auto embeddings = std::make_shared<torch::nn::Module>(); // groups keys
    const auto encoder = std::make_shared<torch::nn::Module>();
    embeddings->register_module("token_embedding", token_.ptr());
    embeddings->register_module("position_embedding", position_.ptr());
    register_module("embeddings", embeddings);
    torch::nn::ModuleList layers;
    for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
        layers_.push_back(std::make_shared<ClipLayerImpl>(config));
        layers->push_back(layers_.back());
    }
    encoder->register_module("layers", layers.ptr());
    register_module("encoder", encoder);
    norm_ =
        register_module("final_layer_norm", LayerNorm(config.hidden_size, config.layer_norm_eps));
}

ClipTextImpl::~ClipTextImpl() = default;

at::Tensor ClipTextImpl::forward(const at::Tensor& ids, std::int64_t clip_skip)
{
    at::Tensor h = token_(ids) + positions(position_, ids);
    const auto used =
        static_cast<std::size_t>(std::max<std::int64_t>(0, config_.num_hidden_layers - clip_skip));
    for (std::size_t i = 0; i < used; ++i)
        h = layers_[i]->forward(h);
    return norm_(h);
}

} // namespace velamen::nn
