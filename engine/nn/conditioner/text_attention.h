// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the text encoders share: multi-headed self-attention over tokens and the activations. No
// padding mask: the models were trained and are used without one.

#pragma once

#include <string>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "engine/core/result.h"
#include "engine/nn/layers/embedding.h"
#include "engine/nn/layers/linear.h"

namespace velamen::nn {

enum class TextActivation { Gelu, QuickGelu };

/// "gelu" (exact) or "quick_gelu" (x sigmoid(1.702 x)); Unsupported otherwise.
Result<TextActivation> text_activation_of(const std::string& name);
const char* name_of(TextActivation activation) noexcept;
at::Tensor activate(TextActivation activation, const at::Tensor& x);

struct TextAttentionOptions {
    std::int64_t channels = 1;
    std::int64_t heads = 1;
    std::int64_t head_channels = 1; ///< heads * head_channels need not be `channels`
    bool has_bias = true;           ///< of query, key and value; the output always has one
    bool is_causal = true;
};

class TextAttentionImpl final : public torch::nn::Module {
public:
    explicit TextAttentionImpl(const TextAttentionOptions& options);

    /// x: [N, L, C]  ->  [N, L, C]
    at::Tensor forward(const at::Tensor& x);

private:
    TextAttentionOptions options_;
    Linear key_{nullptr}, value_{nullptr}, query_{nullptr}, out_{nullptr};
};
TORCH_MODULE(TextAttention);

/// Row i of the table for token i of each sample. -> [N, L, C]; each sample asks for its own rows,
/// so that a Tap sees them.
at::Tensor positions(Embedding& table, const at::Tensor& ids);

} // namespace velamen::nn
