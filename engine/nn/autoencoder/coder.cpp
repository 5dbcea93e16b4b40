// SPDX-License-Identifier: GPL-3.0-or-later
//
// Encoder and decoder in diffusers' order. All group norms have eps 1e-6.

#include "engine/nn/autoencoder/coder.h"

#include <vector>

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

#include "engine/nn/layers/attention.h"
#include "engine/nn/layers/channels_last.h"
#include "engine/nn/layers/res_block.h"

namespace velamen::nn {

namespace {

constexpr double kEps = 1e-6;

template <class T>
void register_list(torch::nn::Module& parent, const std::string& name, const std::vector<T>& items)
{
    if (items.empty()) return;
    torch::nn::ModuleList list;
    for (const T& item : items)
        list->push_back(item);
    parent.register_module(name, list);
}

struct StageOptions {
    std::int64_t in = 1;
    std::int64_t out = 1;
    std::int64_t layers = 1;
    std::int64_t groups = 32;
    bool has_attention = false;
    bool has_downsample = false;
    bool has_upsample = false;
};

/// One resolution of encoder or decoder.
class StageImpl final : public torch::nn::Module {
public:
    explicit StageImpl(const StageOptions& o)
    {
        for (std::int64_t i = 0; i < o.layers; ++i) {
            resnets_.emplace_back(ResBlockOptions{.in_channels = i == 0 ? o.in : o.out,
                                                  .out_channels = o.out,
                                                  .groups = o.groups,
                                                  .eps = kEps});
            if (o.has_attention) attentions_.emplace_back(o.out, o.groups, kEps);
        }
        register_list(*this, "attentions", attentions_);
        register_list(*this, "resnets", resnets_);
        if (o.has_downsample) {
            downsample_ = Downsample(o.out, 0);
            register_list(*this, "downsamplers", std::vector{downsample_});
        }
        if (o.has_upsample) {
            upsample_ = Upsample(o.out);
            register_list(*this, "upsamplers", std::vector{upsample_});
        }
    }

    at::Tensor forward(at::Tensor x)
    {
        for (std::size_t i = 0; i < resnets_.size(); ++i) {
            x = resnets_[i](x);
            if (!attentions_.empty()) x = attentions_[i](x);
        }
        if (downsample_) x = downsample_(x);
        return upsample_ ? upsample_(x) : x;
    }

private:
    std::vector<ResBlock> resnets_;
    std::vector<SpatialAttention> attentions_;
    Downsample downsample_{nullptr};
    Upsample upsample_{nullptr};
};

/// Residual block, attention (unless left out), residual block.
class MiddleImpl final : public torch::nn::Module {
public:
    MiddleImpl(std::int64_t channels, std::int64_t groups, bool has_attention)
    {
        const ResBlockOptions options{
            .in_channels = channels, .out_channels = channels, .groups = groups, .eps = kEps};
        resnets_ = {ResBlock(options), ResBlock(options)};
        if (has_attention) {
            attention_ = SpatialAttention(channels, groups, kEps);
            register_list(*this, "attentions", std::vector{attention_});
        }
        register_list(*this, "resnets", resnets_);
    }

    at::Tensor forward(const at::Tensor& x)
    {
        const at::Tensor h = resnets_[0](x);
        return resnets_[1](attention_ ? attention_(h) : h);
    }

private:
    std::vector<ResBlock> resnets_;
    SpatialAttention attention_{nullptr};
};

class EncoderImpl final : public CoderHalf {
public:
    EncoderImpl(const AutoencoderKLConfig& c, bool has_variance)
    {
        const auto& channels = c.block_out_channels;
        conv_in_ = register_module(
            "conv_in",
            Conv(ConvOptions{.in = c.in_channels, .out = channels.front(), .padding = 1}));
        torch::nn::ModuleList stages;
        for (std::size_t i = 0; i < channels.size(); ++i) {
            stages_.push_back(std::make_shared<StageImpl>(
                StageOptions{.in = channels[i == 0 ? 0 : i - 1],
                             .out = channels[i],
                             .layers = c.layers_per_block,
                             .groups = c.norm_num_groups,
                             .has_attention = c.down_block_types[i] == "AttnDownEncoderBlock2D",
                             .has_downsample = i + 1 < channels.size()}));
            stages->push_back(stages_.back());
        }
        register_module("down_blocks", stages);
        middle_ = register_module("mid_block",
                                  std::make_shared<MiddleImpl>(channels.back(), c.norm_num_groups,
                                                               c.mid_block_add_attention));
        norm_ =
            register_module("conv_norm_out", GroupNorm(c.norm_num_groups, channels.back(), kEps));
        conv_out_ =
            register_module("conv_out",
                            Conv(ConvOptions{.in = channels.back(),
                                             .out = (has_variance ? 2 : 1) * c.latent_channels,
                                             .padding = 1}));
    }

    at::Tensor forward(const at::Tensor& x) override
    {
        at::Tensor h = conv_in_(channels_last(x));
        for (auto& stage : stages_)
            h = stage->forward(h);
        return conv_out_(norm_->forward_silu(middle_->forward(h))).contiguous();
    }

private:
    Conv conv_in_{nullptr}, conv_out_{nullptr};
    std::vector<std::shared_ptr<StageImpl>> stages_;
    std::shared_ptr<MiddleImpl> middle_;
    GroupNorm norm_{nullptr};
};

class DecoderImpl final : public CoderHalf {
public:
    explicit DecoderImpl(const AutoencoderKLConfig& c)
    {
        const auto& channels = c.block_out_channels;
        const std::size_t levels = channels.size();
        conv_in_ = register_module(
            "conv_in",
            Conv(ConvOptions{.in = c.latent_channels, .out = channels.back(), .padding = 1}));
        middle_ = register_module("mid_block",
                                  std::make_shared<MiddleImpl>(channels.back(), c.norm_num_groups,
                                                               c.mid_block_add_attention));
        torch::nn::ModuleList stages;
        for (std::size_t i = 0; i < levels; ++i) {
            const std::size_t level = levels - 1 - i;
            stages_.push_back(std::make_shared<StageImpl>(
                StageOptions{.in = channels[i == 0 ? level : level + 1],
                             .out = channels[level],
                             .layers = c.layers_per_block + 1,
                             .groups = c.norm_num_groups,
                             .has_attention = c.up_block_types[i] == "AttnUpDecoderBlock2D",
                             .has_upsample = level > 0}));
            stages->push_back(stages_.back());
        }
        register_module("up_blocks", stages);
        norm_ =
            register_module("conv_norm_out", GroupNorm(c.norm_num_groups, channels.front(), kEps));
        conv_out_ = register_module(
            "conv_out",
            Conv(ConvOptions{.in = channels.front(), .out = c.out_channels, .padding = 1}));
    }

    at::Tensor forward(const at::Tensor& z) override
    {
        at::Tensor h = middle_->forward(conv_in_(channels_last(z)));
        for (auto& stage : stages_)
            h = stage->forward(h);
        return conv_out_(norm_->forward_silu(h)).contiguous();
    }

private:
    Conv conv_in_{nullptr}, conv_out_{nullptr};
    std::shared_ptr<MiddleImpl> middle_;
    std::vector<std::shared_ptr<StageImpl>> stages_;
    GroupNorm norm_{nullptr};
};

} // namespace

std::shared_ptr<CoderHalf> make_encoder(const AutoencoderKLConfig& config, bool has_variance)
{
    return std::make_shared<EncoderImpl>(config, has_variance);
}

std::shared_ptr<CoderHalf> make_decoder(const AutoencoderKLConfig& config)
{
    return std::make_shared<DecoderImpl>(config);
}

AutoencoderSizes sizes_of(const AutoencoderKLConfig& config)
{
    return {.image_channels = config.in_channels,
            .latent_channels = config.latent_channels,
            .sample_size = config.sample_size,
            .factor = config.factor(),
            .scaling_factor = config.scaling_factor};
}

} // namespace velamen::nn
