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

UNetImpl::UNetImpl(const UNetPlan& plan) : plan_(plan)
{
    const auto& channels = plan.channels;
    const std::size_t levels = channels.size();
    VELAMEN_ASSERT(levels > 0 && plan.down.size() == levels && plan.up.size() == levels);

    conv_in_ = register_module(
        "conv_in",
        Conv(ConvOptions{.in = plan.in_channels, .out = channels.front(), .padding = 1}));
    time_embedding_ =
        register_module("time_embedding", TimeEmbedding(channels.front(), plan.time_channels()));
    if (plan.class_rows > 0)
        class_embedding_ =
            register_module("class_embedding", Embedding(plan.class_rows, plan.time_channels()));

    torch::nn::ModuleList down;
    for (std::size_t i = 0; i < levels; ++i) {
        down_.push_back(std::make_shared<DownStageImpl>(channels[i == 0 ? 0 : i - 1], channels[i],
                                                        plan.layers, i + 1 < levels, plan.down[i]));
        down->push_back(down_.back());
    }
    register_module("down_blocks", down);

    mid_ =
        register_module("mid_block", std::make_shared<MidStageImpl>(channels.back(), plan.middle));

    torch::nn::ModuleList up;
    for (std::size_t i = 0; i < levels; ++i) {
        const std::size_t level = levels - 1 - i;
        up_.push_back(std::make_shared<UpStageImpl>(
            channels[i == 0 ? level : level + 1], channels[level],
            channels[level == 0 ? 0 : level - 1], plan.layers + 1, level > 0, plan.up[i]));
        up->push_back(up_.back());
    }
    register_module("up_blocks", up);

    norm_out_ =
        register_module("conv_norm_out", GroupNorm(plan.groups, channels.front(), plan.eps));
    conv_out_ = register_module(
        "conv_out",
        Conv(ConvOptions{.in = channels.front(), .out = plan.out_channels, .padding = 1}));
}

UNetImpl::~UNetImpl() = default;

at::Tensor UNetImpl::forward(const at::Tensor& sample, const at::Tensor& timestep,
                             const at::Tensor& context, const at::Tensor& labels)
{
    VELAMEN_ASSERT((plan_.class_rows > 0) == labels.defined());
    const at::ScalarType type = is_bfloat16_ ? at::kBFloat16 : sample.scalar_type();
    const at::Tensor features = timestep_features(timestep, plan_.channels.front(),
                                                  plan_.flip_sin_to_cos, plan_.freq_shift);
    at::Tensor time = time_embedding_(features.to(type)); // [N, 4 C0]
    if (class_embedding_) time = time + class_embedding_(labels).to(type);
    const at::Tensor tokens = context.defined() ? context.to(type) : context;

    at::Tensor h = conv_in_(channels_last(sample.to(type)));
    std::vector<at::Tensor> skips{h};
    for (auto& stage : down_)
        h = stage->forward(h, time, tokens, skips);
    h = mid_->forward(h, time, tokens);
    for (auto& stage : up_)
        h = stage->forward(h, time, tokens, skips);
    return conv_out_(norm_out_->forward_silu(h)).to(sample.scalar_type()).contiguous();
}

void UNetImpl::use_bfloat16()
{
    store_frozen_in_bfloat16(*this);
    is_bfloat16_ = true;
}

void UNetImpl::set_tap(Tap* tap) { nn::set_tap(*this, tap); }

} // namespace velamen::nn
