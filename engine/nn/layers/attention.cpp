// SPDX-License-Identifier: GPL-3.0-or-later
//
// The modules; the functions that they call are in attend.cpp and geglu.cpp.

#include "engine/nn/layers/attention.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

#include "engine/nn/layers/channels_last.h"

namespace velamen::nn {

AttentionImpl::AttentionImpl(std::int64_t channels, std::int64_t context_channels,
                             std::int64_t heads)
    : heads_(heads)
{
    to_q_ = register_module("to_q", Linear(channels, channels, false));
    to_k_ = register_module("to_k", Linear(context_channels, channels, false));
    to_v_ = register_module("to_v", Linear(context_channels, channels, false));
    torch::nn::ModuleList out;
    out_ = Linear(channels, channels);
    out->push_back(out_);
    register_module("to_out", out);
}

at::Tensor AttentionImpl::forward(const at::Tensor& x, const at::Tensor& context)
{
    return out_(attend(to_q_(x), to_k_(context), to_v_(context), heads_));
}

at::Tensor AttentionImpl::forward_single_token(const at::Tensor& context)
{
    return out_(to_v_(context));
}

namespace {

/// net.0 of the feed-forward: holds the projection under the checkpoint's key.
class GegluImpl final : public torch::nn::Module {
public:
    explicit GegluImpl(const Linear& proj) { register_module("proj", proj); }
};
TORCH_MODULE(Geglu);

/// net.1: dropout in diffusers, which has no parameters.
class NothingImpl final : public torch::nn::Module {};
TORCH_MODULE(Nothing);

} // namespace

FeedForwardImpl::FeedForwardImpl(std::int64_t channels)
{
    in_ = Linear(channels, 8 * channels);
    out_ = Linear(4 * channels, channels);
    torch::nn::ModuleList net;
    net->push_back(Geglu(in_));
    net->push_back(Nothing());
    net->push_back(out_);
    register_module("net", net);
}

at::Tensor FeedForwardImpl::forward(const at::Tensor& x) { return out_(geglu(in_(x))); }

BasicTransformerBlockImpl::BasicTransformerBlockImpl(std::int64_t channels,
                                                     std::int64_t context_channels,
                                                     std::int64_t heads)
{
    norm1_ = register_module("norm1", LayerNorm(channels));
    attn1_ = register_module("attn1", Attention(channels, channels, heads));
    norm2_ = register_module("norm2", LayerNorm(channels));
    attn2_ = register_module("attn2", Attention(channels, context_channels, heads));
    norm3_ = register_module("norm3", LayerNorm(channels));
    ff_ = register_module("ff", FeedForward(channels));
}

at::Tensor BasicTransformerBlockImpl::forward(const at::Tensor& x, const at::Tensor& context)
{
    const at::Tensor own = norm1_(x);
    at::Tensor h = add_to(attn1_(own, own), x);
    h = context.size(1) == 1 ? add_to(h, attn2_->forward_single_token(context))
                             : add_to(attn2_(norm2_(h), context), h);
    return add_to(ff_(norm3_(h)), h);
}

Transformer2DImpl::Transformer2DImpl(const TransformerOptions& options)
{
    const auto& [channels, context, heads, depth, groups, is_linear] = options;
    const ConvOptions pointwise{.in = channels, .out = channels, .kernel = 1};
    norm_ = register_module("norm", GroupNorm(groups, channels, 1e-6));
    if (is_linear)
        linear_in_ = register_module("proj_in", Linear(channels, channels));
    else
        conv_in_ = register_module("proj_in", Conv(pointwise));
    torch::nn::ModuleList blocks;
    for (std::int64_t i = 0; i < depth; ++i) {
        blocks_.emplace_back(channels, context, heads);
        blocks->push_back(blocks_.back());
    }
    register_module("transformer_blocks", blocks);
    if (is_linear)
        linear_out_ = register_module("proj_out", Linear(channels, channels));
    else
        conv_out_ = register_module("proj_out", Conv(pointwise));
}

at::Tensor Transformer2DImpl::forward(const at::Tensor& x, const at::Tensor& context)
{
    const auto to_map = [&](const at::Tensor& tokens) {
        return map_of(tokens, x.size(2), x.size(3));
    };
    at::Tensor h = norm_(x);
    h = linear_in_ ? linear_in_(tokens_of(h)) : tokens_of(conv_in_(h)); // [N, H W, C]
    for (auto& block : blocks_)
        h = block(h, context);
    h = linear_out_ ? to_map(linear_out_(h)) : conv_out_(to_map(h));
    return add_to(h, x);
}

SpatialAttentionImpl::SpatialAttentionImpl(std::int64_t channels, std::int64_t groups, double eps,
                                           std::int64_t heads)
    : heads_(heads)
{
    if (groups > 0) norm_ = register_module("group_norm", GroupNorm(groups, channels, eps));
    to_q_ = register_module("to_q", Linear(channels, channels));
    to_k_ = register_module("to_k", Linear(channels, channels));
    to_v_ = register_module("to_v", Linear(channels, channels));
    torch::nn::ModuleList out;
    out_ = Linear(channels, channels);
    out->push_back(out_);
    register_module("to_out", out);
}

at::Tensor SpatialAttentionImpl::forward(const at::Tensor& x)
{
    const at::Tensor h = tokens_of(norm_ ? norm_(x) : x); // [N, H W, C]
    const at::Tensor out = out_(attend(to_q_(h), to_k_(h), to_v_(h), heads_));
    return add_to(map_of(out, x.size(2), x.size(3)), x);
}

} // namespace velamen::nn
