// SPDX-License-Identifier: GPL-3.0-or-later
//
// The stages, in the order in which diffusers names and runs their parts.

#include "engine/nn/unet/stages.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

namespace velamen::nn {

namespace {

ResBlock make_resnet(std::int64_t in, std::int64_t out, const StageOptions& o)
{
    return ResBlock(ResBlockOptions{.in_channels = in,
                                    .out_channels = out,
                                    .time_channels = o.time_channels,
                                    .groups = o.groups,
                                    .eps = o.eps});
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

DownStageImpl::DownStageImpl(std::int64_t in, std::int64_t out, std::int64_t layers,
                             bool has_downsample, const StageOptions& options)
{
    for (std::int64_t i = 0; i < layers; ++i) {
        resnets_.push_back(make_resnet(i == 0 ? in : out, out, options));
        if (options.has_attention) attentions_.push_back(make_transformer(out, options));
    }
    register_list(*this, "attentions", attentions_);
    register_list(*this, "resnets", resnets_);
    if (has_downsample) {
        downsample_ = Downsample(out, options.downsample_padding);
        register_list(*this, "downsamplers", std::vector{downsample_});
    }
}

at::Tensor DownStageImpl::forward(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                                  std::vector<at::Tensor>& skips)
{
    for (std::size_t i = 0; i < resnets_.size(); ++i) {
        x = resnets_[i](x, time);
        if (!attentions_.empty()) x = attentions_[i](x, context);
        skips.push_back(x);
    }
    if (downsample_) {
        x = downsample_(x);
        skips.push_back(x);
    }
    return x;
}

MidStageImpl::MidStageImpl(std::int64_t channels, const StageOptions& options)
{
    resnets_ = {make_resnet(channels, channels, options), make_resnet(channels, channels, options)};
    attention_ = make_transformer(channels, options);
    register_list(*this, "attentions", std::vector{attention_});
    register_list(*this, "resnets", resnets_);
}

at::Tensor MidStageImpl::forward(const at::Tensor& x, const at::Tensor& time,
                                 const at::Tensor& context)
{
    return resnets_[1](attention_(resnets_[0](x, time), context), time);
}

UpStageImpl::UpStageImpl(std::int64_t below, std::int64_t out, std::int64_t skip_in,
                         std::int64_t layers, bool has_upsample, const StageOptions& options)
{
    for (std::int64_t i = 0; i < layers; ++i) {
        const std::int64_t skip = i + 1 == layers ? skip_in : out;
        resnets_.push_back(make_resnet((i == 0 ? below : out) + skip, out, options));
        if (options.has_attention) attentions_.push_back(make_transformer(out, options));
    }
    register_list(*this, "attentions", attentions_);
    register_list(*this, "resnets", resnets_);
    if (has_upsample) {
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
        if (!attentions_.empty()) x = attentions_[i](x, context);
    }
    if (upsample_) x = upsample_(x, skips.back().sizes().slice(2));
    return x;
}

} // namespace velamen::nn
