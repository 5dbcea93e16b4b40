// SPDX-License-Identifier: GPL-3.0-or-later
//
// The stages, in the order in which diffusers names and runs their parts.

#include "engine/nn/unet/stages.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

namespace velamen::nn {

namespace {

ResBlock make_resnet(std::int64_t in, std::int64_t out, const StageOptions& o,
                     Resample resample = Resample::None)
{
    return ResBlock(ResBlockOptions{.in_channels = in,
                                    .out_channels = out,
                                    .time_channels = o.time_channels,
                                    .groups = o.groups,
                                    .eps = o.eps,
                                    .scale_shift = o.scale_shift,
                                    .resample = resample});
}

Transformer2D make_transformer(std::int64_t channels, const StageOptions& o)
{
    return Transformer2D(TransformerOptions{.channels = channels,
                                            .context_channels = o.context_channels,
                                            .heads = o.heads,
                                            .depth = o.depth,
                                            .groups = o.groups,
                                            .linear_projection = o.linear_projection});
}

template <class T>
void register_list(torch::nn::Module& parent, const std::string& name, const std::vector<T>& items)
{
    if (items.empty()) return;
    torch::nn::ModuleList list;
    for (const T& item : items)
        list->push_back(item);
    parent.register_module(name, list);
}

} // namespace

void Mixers::add(std::int64_t channels, const StageOptions& options)
{
    if (options.attention == StageAttention::Transformer)
        transformers_.push_back(make_transformer(channels, options));
    if (options.attention == StageAttention::Spatial)
        attentions_.emplace_back(channels, options.attention_groups, options.eps, options.heads);
}

void Mixers::register_in(torch::nn::Module& stage) const
{
    register_list(stage, "attentions", transformers_);
    register_list(stage, "attentions", attentions_);
}

at::Tensor Mixers::forward(std::size_t index, const at::Tensor& x, const at::Tensor& context)
{
    if (!transformers_.empty()) return transformers_[index](x, context);
    return attentions_.empty() ? x : attentions_[index](x);
}

DownStageImpl::DownStageImpl(std::int64_t in, std::int64_t out, std::int64_t layers,
                             bool has_downsample, const StageOptions& options)
{
    for (std::int64_t i = 0; i < layers; ++i) {
        resnets_.push_back(make_resnet(i == 0 ? in : out, out, options));
        mixers_.add(out, options);
    }
    mixers_.register_in(*this);
    register_list(*this, "resnets", resnets_);
    if (has_downsample && options.resample_by_resnet) {
        down_resnet_ = make_resnet(out, out, options, Resample::Down);
        register_list(*this, "downsamplers", std::vector{down_resnet_});
    } else if (has_downsample) {
        downsample_ = Downsample(out, options.downsample_padding);
        register_list(*this, "downsamplers", std::vector{downsample_});
    }
}

at::Tensor DownStageImpl::forward(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                                  std::vector<at::Tensor>& skips)
{
    for (std::size_t i = 0; i < resnets_.size(); ++i) {
        x = mixers_.forward(i, resnets_[i](x, time), context);
        skips.push_back(x);
    }
    if (!downsample_ && !down_resnet_) return x;
    x = downsample_ ? downsample_(x) : down_resnet_(x, time);
    skips.push_back(x);
    return x;
}

MidStageImpl::MidStageImpl(std::int64_t channels, const StageOptions& options)
{
    resnets_ = {make_resnet(channels, channels, options), make_resnet(channels, channels, options)};
    mixers_.add(channels, options);
    mixers_.register_in(*this);
    register_list(*this, "resnets", resnets_);
}

at::Tensor MidStageImpl::forward(const at::Tensor& x, const at::Tensor& time,
                                 const at::Tensor& context)
{
    return resnets_[1](mixers_.forward(0, resnets_[0](x, time), context), time);
}

UpStageImpl::UpStageImpl(std::int64_t below, std::int64_t out, std::int64_t skip_in,
                         std::int64_t layers, bool has_upsample, const StageOptions& options)
{
    for (std::int64_t i = 0; i < layers; ++i) {
        const std::int64_t skip = i + 1 == layers ? skip_in : out;
        resnets_.push_back(make_resnet((i == 0 ? below : out) + skip, out, options));
        mixers_.add(out, options);
    }
    mixers_.register_in(*this);
    register_list(*this, "resnets", resnets_);
    if (has_upsample && options.resample_by_resnet) {
        up_resnet_ = make_resnet(out, out, options, Resample::Up);
        register_list(*this, "upsamplers", std::vector{up_resnet_});
    } else if (has_upsample) {
        upsample_ = Upsample(out);
        register_list(*this, "upsamplers", std::vector{upsample_});
    }
}

at::Tensor UpStageImpl::forward(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                                std::vector<at::Tensor>& skips)
{
    for (std::size_t i = 0; i < resnets_.size(); ++i) {
        x = resnets_[i](at::cat({x, skips.back()}, 1), time);
        skips.pop_back();
        x = mixers_.forward(i, x, context);
    }
    if (up_resnet_) return up_resnet_(x, time);
    return upsample_ ? upsample_(x, skips.back().sizes().slice(2)) : x;
}

} // namespace velamen::nn
