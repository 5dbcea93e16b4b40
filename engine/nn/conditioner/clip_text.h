// SPDX-License-Identifier: GPL-3.0-or-later
//
// The text encoder of CLIP as Stable Diffusion uses it (transformers' CLIPTextModel): hidden states
// after the final norm; the pooled output is not computed. Parameter names are transformers' keys
// without the leading "text_model.", which its newer versions leave out too.

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

struct ClipTextConfig {
    std::int64_t vocab_size = 49408;
    std::int64_t hidden_size = 512;
    std::int64_t intermediate_size = 2048;
    std::int64_t num_hidden_layers = 12;
    std::int64_t num_attention_heads = 8;
    std::int64_t max_position_embeddings = 77;
    double layer_norm_eps = 1e-5;
    TextActivation hidden_act = TextActivation::QuickGelu;

    /// Corrupt or Unsupported, naming the field; absent fields are transformers' defaults.
    static Result<ClipTextConfig> from_json(const io::Json& json);
    /// With "architectures", loadable by transformers.
    io::Json to_json() const;
    /// InvalidArgument when the fields do not fit each other (also part of from_json).
    Result<> check() const;
};

class ClipLayerImpl;

class ClipTextImpl final : public TextEncoder {
public:
    /// `config.check()` must hold.
    explicit ClipTextImpl(const ClipTextConfig& config);
    ~ClipTextImpl() override;

    /// ids: [N, L] (int64), L at most max_position_embeddings  ->  [N, L, D]. `clip_skip` layers at
    /// the end are left out; the final norm is applied in any case.
    at::Tensor forward(const at::Tensor& ids, std::int64_t clip_skip = 0);

    at::Tensor encode(const at::Tensor& ids) override { return forward(ids); }
    std::int64_t max_tokens() const override { return config_.max_position_embeddings; }
    std::int64_t vocabulary_size() const override { return config_.vocab_size; }
    std::int64_t dim() const override { return config_.hidden_size; }

    const ClipTextConfig& config() const noexcept { return config_; }

private:
    ClipTextConfig config_;
    Embedding token_{nullptr}, position_{nullptr};
    std::vector<std::shared_ptr<ClipLayerImpl>> layers_;
    LayerNorm norm_{nullptr};
};
TORCH_MODULE(ClipText);

} // namespace velamen::nn
