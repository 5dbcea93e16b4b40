// SPDX-License-Identifier: GPL-3.0-or-later
//
// Attention and the transformer block of latent diffusion UNets, and the one-headed spatial
// attention of autoencoders. No padding masks, no dropout.

#pragma once

#include <vector>

#include "engine/nn/layers/conv.h"
#include "engine/nn/layers/linear.h"
#include "engine/nn/layers/norm.h"

namespace velamen::nn {

/// softmax(q k^T / sqrt(C / heads)) v with heads side by side in C.
/// q: [N, T, C], k and v: [N, S, C]  ->  [N, T, C]
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  std::int64_t heads);

/// value * gelu(gate) of the two halves of the last dimension. [N, T, 2 D]  ->  [N, T, D]
at::Tensor geglu(const at::Tensor& halves);

/// Multi-head attention: q, k, v without bias, output projection with bias.
class AttentionImpl final : public torch::nn::Module {
public:
    AttentionImpl(std::int64_t channels, std::int64_t context_channels, std::int64_t heads);

    /// x: [N, T, C], context: [N, S, D]; self-attention passes x twice  ->  [N, T, C]
    at::Tensor forward(const at::Tensor& x, const at::Tensor& context);
    /// The same when there is one context token: softmax over one key is exactly 1, so neither x
    /// nor to_q nor to_k matters. context: [N, 1, D]  ->  [N, 1, C], to be broadcast over T.
    at::Tensor forward_single_token(const at::Tensor& context);

private:
    std::int64_t heads_;
    Linear to_q_{nullptr}, to_k_{nullptr}, to_v_{nullptr}, out_{nullptr};
};
TORCH_MODULE(Attention);

/// GEGLU: net.0.proj C -> 8C, value * gelu(gate), net.2 4C -> C.
class FeedForwardImpl final : public torch::nn::Module {
public:
    explicit FeedForwardImpl(std::int64_t channels);
    at::Tensor forward(const at::Tensor& x); // [N, T, C]

private:
    Linear in_{nullptr}, out_{nullptr};
};
TORCH_MODULE(FeedForward);

class BasicTransformerBlockImpl final : public torch::nn::Module {
public:
    BasicTransformerBlockImpl(std::int64_t channels, std::int64_t context_channels,
                              std::int64_t heads);

    /// x: [N, T, C], context: [N, L, D]. With L = 1, norm2, attn2.to_q and attn2.to_k are not run.
    at::Tensor forward(const at::Tensor& x, const at::Tensor& context);

private:
    LayerNorm norm1_{nullptr}, norm2_{nullptr}, norm3_{nullptr};
    Attention attn1_{nullptr}, attn2_{nullptr};
    FeedForward ff_{nullptr};
};
TORCH_MODULE(BasicTransformerBlock);

struct TransformerOptions {
    std::int64_t channels = 1;
    std::int64_t context_channels = 1;
    std::int64_t heads = 1;
    std::int64_t depth = 1;
    std::int64_t groups = 32;
    bool linear_projection = false; ///< proj_in and proj_out: linear, else 1x1 convolution
};

/// diffusers' Transformer2DModel: group norm, projection, transformer blocks, projection, residual.
class Transformer2DImpl final : public torch::nn::Module {
public:
    explicit Transformer2DImpl(const TransformerOptions& options);

    /// x: [N, C, H, W], context: [N, L, D]  ->  [N, C, H, W]
    at::Tensor forward(const at::Tensor& x, const at::Tensor& context);

private:
    GroupNorm norm_{nullptr};
    Conv conv_in_{nullptr}, conv_out_{nullptr};
    Linear linear_in_{nullptr}, linear_out_{nullptr};
    std::vector<BasicTransformerBlock> blocks_;
};
TORCH_MODULE(Transformer2D);

/// Attention among the pixels of a feature map, all projections with bias: one head in
/// autoencoders, several in unconditional UNets. `groups` 0: without a norm before it.
class SpatialAttentionImpl final : public torch::nn::Module {
public:
    SpatialAttentionImpl(std::int64_t channels, std::int64_t groups, double eps,
                         std::int64_t heads = 1);
    at::Tensor forward(const at::Tensor& x); // [N, C, H, W]

private:
    std::int64_t heads_;
    GroupNorm norm_{nullptr};
    Linear to_q_{nullptr}, to_k_{nullptr}, to_v_{nullptr}, out_{nullptr};
};
TORCH_MODULE(SpatialAttention);

} // namespace velamen::nn
