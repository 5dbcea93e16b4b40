// SPDX-License-Identifier: GPL-3.0-or-later
//
// The graph of the unconditional UNet.

#include "engine/nn/unet/unconditional.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

#include "engine/core/assert.h"
#include "engine/nn/layers/channels_last.h"
#include "engine/nn/unet/stages.h"

namespace velamen::nn {

UNet2DImpl::UNet2DImpl(const UNet2DConfig& config) : config_(config)
{
    VELAMEN_ASSERT(config.check().has_value());
    const auto& channels = config.block_out_channels;
    const std::size_t levels = channels.size();
    const std::int64_t time_channels = 4 * channels.front();
    const auto options_at = [&](std::size_t level, bool has_attention) {
        return StageOptions{
            .time_channels = time_channels,
            .groups = config.norm_num_groups,
            .eps = config.norm_eps,
            .scale_shift = config.scale_shift,
            // diffusers: of the levels with attention alone
            .resample_by_resnet = has_attention && config.attention_resampling_by_resnet,
            .attention = has_attention ? StageAttention::Spatial : StageAttention::None,
            .heads = config.heads_of(level),
            .attention_groups = config.norm_num_groups,
            .downsample_padding = config.downsample_padding};
    };

    conv_in_ = register_module(
        "conv_in",
        Conv(ConvOptions{.in = config.in_channels, .out = channels.front(), .padding = 1}));
    time_embedding_ =
        register_module("time_embedding", TimeEmbedding(channels.front(), time_channels));

    torch::nn::ModuleList down;
    for (std::size_t i = 0; i < levels; ++i) {
        down_.push_back(std::make_shared<DownStageImpl>(
            channels[i == 0 ? 0 : i - 1], channels[i], config.layers_per_block, i + 1 < levels,
            options_at(i, config.down_block_types[i] == "AttnDownBlock2D")));
        down->push_back(down_.back());
    }
    register_module("down_blocks", down);

    StageOptions middle = options_at(levels - 1, config.add_attention);
    middle.attention_groups = config.attn_norm_num_groups > 0 ? config.attn_norm_num_groups
        : config.scale_shift                                  ? 0
                                                              : config.norm_num_groups;
    mid_ = register_module("mid_block", std::make_shared<MidStageImpl>(channels.back(), middle));

    torch::nn::ModuleList up;
    for (std::size_t i = 0; i < levels; ++i) {
        const std::size_t level = levels - 1 - i;
        up_.push_back(std::make_shared<UpStageImpl>(
            channels[i == 0 ? level : level + 1], channels[level],
            channels[level == 0 ? 0 : level - 1], config.layers_per_block + 1, level > 0,
            options_at(level, config.up_block_types[i] == "AttnUpBlock2D")));
        up->push_back(up_.back());
    }
    register_module("up_blocks", up);

    norm_out_ = register_module(
        "conv_norm_out", GroupNorm(config.norm_num_groups, channels.front(), config.norm_eps));
    conv_out_ = register_module(
        "conv_out",
        Conv(ConvOptions{.in = channels.front(), .out = config.out_channels, .padding = 1}));
}

UNet2DImpl::~UNet2DImpl() = default;

at::Tensor UNet2DImpl::forward(const at::Tensor& sample, const at::Tensor& timestep)
{
    const at::Tensor time = time_embedding_(
        timestep_features(timestep, config_.block_out_channels.front(), config_.flip_sin_to_cos,
                          config_.freq_shift)
            .to(sample.scalar_type())); // [N, 4 C0]
    at::Tensor h = conv_in_(channels_last(sample));
    std::vector<at::Tensor> skips{h};
    for (auto& stage : down_)
        h = stage->forward(h, time, {}, skips);
    h = mid_->forward(h, time, {});
    for (auto& stage : up_)
        h = stage->forward(h, time, {}, skips);
    return conv_out_(norm_out_->forward_silu(h)).contiguous();
}

void UNet2DImpl::set_tap(Tap* tap) { nn::set_tap(*this, tap); }

} // namespace velamen::nn
