// SPDX-License-Identifier: GPL-3.0-or-later
//
// The graph of the UNet.

#include "engine/nn/unet/model.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

#include "engine/core/assert.h"
#include "engine/nn/layers/channels_last.h"
#include "engine/nn/layers/precision.h"
#include "engine/nn/unet/stages.h"

namespace velamen::nn {

UNet2DConditionImpl::UNet2DConditionImpl(const UNet2DConditionConfig& config) : config_(config)
{
    VELAMEN_ASSERT(config.check().has_value());
    const auto& channels = config.block_out_channels;
    const std::size_t levels = channels.size();
    const std::int64_t time_channels = 4 * channels.front();
    const auto options_at = [&](std::size_t level, bool has_attention) {
        const auto attention = has_attention ? StageAttention::Transformer : StageAttention::None;
        return StageOptions{.time_channels = time_channels,
                            .groups = config.norm_num_groups,
                            .eps = config.norm_eps,
                            .attention = attention,
                            .heads = config.heads_of(level),
                            .context_channels = config.cross_attention_dim,
                            .depth = config.transformer_layers_per_block,
                            .linear_projection = config.use_linear_projection,
                            .downsample_padding = config.downsample_padding};
    };

    conv_in_ = register_module(
        "conv_in",
        Conv(ConvOptions{.in = config.in_channels, .out = channels.front(), .padding = 1}));
    time_embedding_ =
        register_module("time_embedding", TimeEmbedding(channels.front(), time_channels));

    torch::nn::ModuleList down;
    for (std::size_t i = 0; i < levels; ++i) {
        const bool has_attention = config.down_block_types[i] == "CrossAttnDownBlock2D";
        down_.push_back(std::make_shared<DownStageImpl>(channels[i == 0 ? 0 : i - 1], channels[i],
                                                        config.layers_per_block, i + 1 < levels,
                                                        options_at(i, has_attention)));
        down->push_back(down_.back());
    }
    register_module("down_blocks", down);

    mid_ = register_module(
        "mid_block", std::make_shared<MidStageImpl>(channels.back(), options_at(levels - 1, true)));

    torch::nn::ModuleList up;
    for (std::size_t i = 0; i < levels; ++i) {
        const std::size_t level = levels - 1 - i;
        const bool has_attention = config.up_block_types[i] == "CrossAttnUpBlock2D";
        up_.push_back(std::make_shared<UpStageImpl>(
            channels[i == 0 ? level : level + 1], channels[level],
            channels[level == 0 ? 0 : level - 1], config.layers_per_block + 1, level > 0,
            options_at(level, has_attention)));
        up->push_back(up_.back());
    }
    register_module("up_blocks", up);

    norm_out_ = register_module(
        "conv_norm_out", GroupNorm(config.norm_num_groups, channels.front(), config.norm_eps));
    conv_out_ = register_module(
        "conv_out",
        Conv(ConvOptions{.in = channels.front(), .out = config.out_channels, .padding = 1}));
}

UNet2DConditionImpl::~UNet2DConditionImpl() = default;

at::Tensor UNet2DConditionImpl::forward(const at::Tensor& sample, const at::Tensor& timestep,
                                        const at::Tensor& encoder_hidden_states)
{
    const at::ScalarType type = is_bfloat16_ ? at::kBFloat16 : sample.scalar_type();
    const at::Tensor features = timestep_features(timestep, config_.block_out_channels.front(),
                                                  config_.flip_sin_to_cos, config_.freq_shift);
    const at::Tensor time = time_embedding_(features.to(type)); // [N, 4 C0]
    const at::Tensor context = encoder_hidden_states.to(type);

    at::Tensor h = conv_in_(channels_last(sample.to(type)));
    std::vector<at::Tensor> skips{h};
    for (auto& stage : down_)
        h = stage->forward(h, time, context, skips);
    h = mid_->forward(h, time, context);
    for (auto& stage : up_)
        h = stage->forward(h, time, context, skips);
    return conv_out_(norm_out_->forward_silu(h)).to(sample.scalar_type()).contiguous();
}

void UNet2DConditionImpl::use_bfloat16()
{
    store_frozen_in_bfloat16(*this);
    is_bfloat16_ = true;
}

void UNet2DConditionImpl::set_tap(Tap* tap) { nn::set_tap(*this, tap); }

} // namespace velamen::nn
