// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/conditioner/text_attention.h"

#include <ATen/ATen.h>

namespace velamen::nn {

Result<TextActivation> text_activation_of(const std::string& name)
{
    for (const TextActivation one : {TextActivation::Gelu, TextActivation::QuickGelu})
        if (name == name_of(one)) return one;
    return fail(ErrorCode::Unsupported,
                "the text encoder's activation '" + name + "' is not supported",
                "supported are gelu and quick_gelu");
}

const char* name_of(TextActivation activation) noexcept
{
    return activation == TextActivation::Gelu ? "gelu" : "quick_gelu";
}

at::Tensor activate(TextActivation activation, const at::Tensor& x)
{
    return activation == TextActivation::Gelu ? at::gelu(x) : x * at::sigmoid(1.702 * x);
}

TextAttentionImpl::TextAttentionImpl(const TextAttentionOptions& options) : options_(options)
{
    const std::int64_t inner = options.heads * options.head_channels;
    key_ = register_module("k_proj", Linear(options.channels, inner, options.has_bias));
    value_ = register_module("v_proj", Linear(options.channels, inner, options.has_bias));
    query_ = register_module("q_proj", Linear(options.channels, inner, options.has_bias));
    out_ = register_module("out_proj", Linear(inner, options.channels));
}

at::Tensor TextAttentionImpl::forward(const at::Tensor& x)
{
    const auto split = [&](const at::Tensor& t) { // [N, heads, L, d]
        return t.view({t.size(0), t.size(1), options_.heads, options_.head_channels})
            .transpose(1, 2);
    };
    const at::Tensor mixed =
        at::scaled_dot_product_attention(split(query_(x)), split(key_(x)), split(value_(x)), {},
                                         0.0, options_.is_causal); // [N, heads, L, d]
    return out_(mixed.transpose(1, 2).flatten(2));
}

at::Tensor positions(Embedding& table, const at::Tensor& ids)
{
    return table(at::arange(ids.size(1), ids.options()).expand({ids.size(0), -1}));
}

} // namespace velamen::nn
