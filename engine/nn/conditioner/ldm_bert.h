// SPDX-License-Identifier: GPL-3.0-or-later
//
// The text encoder of the text-to-image latent diffusion model (Rombach et al. 2022): a transformer
// over BERT's word pieces, without masks (diffusers' LDMBertModel). Parameter names are its keys;
// its unused to_logits is not built.

#pragma once

#include <cstdint>
#include <vector>

#include <torch/nn/pimpl.h>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/conditioner/text_attention.h"
#include "engine/nn/conditioner/text_encoder.h"
#include "engine/nn/layers/norm.h"

namespace velamen::nn {

struct LdmBertConfig {
    std::int64_t vocab_size = 30522;
    std::int64_t d_model = 1280;
    std::int64_t encoder_layers = 32;
    std::int64_t encoder_ffn_dim = 5120;
    std::int64_t encoder_attention_heads = 8;
    std::int64_t head_dim = 64; ///< heads * head_dim need not be d_model
    std::int64_t max_position_embeddings = 77;

    /// Corrupt or Unsupported, naming the field; absent fields are diffusers' defaults.
    static Result<LdmBertConfig> from_json(const io::Json& json);
    io::Json to_json() const;
    /// InvalidArgument when the fields do not fit each other (also part of from_json).
    Result<> check() const;
};

class LdmBertLayerImpl;

class LdmBertImpl final : public TextEncoder {
public:
    /// `config.check()` must hold.
    explicit LdmBertImpl(const LdmBertConfig& config);
    ~LdmBertImpl() override;

    /// ids: [N, L] (int64), L at most max_position_embeddings  ->  [N, L, D]
    at::Tensor forward(const at::Tensor& ids);

    at::Tensor encode(const at::Tensor& ids) override { return forward(ids); }
    std::int64_t max_tokens() const override { return config_.max_position_embeddings; }
    std::int64_t vocabulary_size() const override { return config_.vocab_size; }
    std::int64_t dim() const override { return config_.d_model; }

    const LdmBertConfig& config() const noexcept { return config_; }

private:
    LdmBertConfig config_;
    Embedding token_{nullptr}, position_{nullptr};
    std::vector<std::shared_ptr<LdmBertLayerImpl>> layers_;
    LayerNorm norm_{nullptr};
};
TORCH_MODULE(LdmBert);

} // namespace velamen::nn
