// SPDX-License-Identifier: GPL-3.0-or-later
//
// The layers of taesd.py in a row. Decoder files begin at 1: their layer 0 bounds the latents and
// has no numbers, and is not a layer of diffusers' decoder.

#include "engine/keymap/tiny.h"

#include <algorithm>

#include "engine/keymap/config.h"

namespace velamen::keymap {

namespace {

const std::string kWhat = "the tiny autoencoder";

bool is_block(const Part& part, std::int64_t layer)
{
    return part.holds(std::to_string(layer) + ".conv.0.weight");
}

/// Both names of the layers, counted.
class Builder {
public:
    explicit Builder(const TinyPlan& plan) : plan_(plan) {}

    Blueprint encoder()
    {
        for (std::size_t level = 0; level < plan_.blocks.size(); ++level) {
            conv(plan_.width, level == 0 ? plan_.image_channels : plan_.width, level == 0);
            blocks(plan_.blocks[level]);
        }
        conv(plan_.latents, plan_.width, true);
        return std::move(made_);
    }

    Blueprint decoder()
    {
        shift_ = 1;
        conv(plan_.width, plan_.latents, true);
        ++layer_; // ReLU
        for (std::size_t level = 0; level < plan_.blocks.size(); ++level) {
            const bool is_last = level + 1 == plan_.blocks.size();
            blocks(plan_.blocks[level]);
            if (!is_last) ++layer_; // upsampling
            conv(is_last ? plan_.image_channels : plan_.width, plan_.width, is_last);
        }
        return std::move(made_);
    }

private:
    void conv(std::int64_t out, std::int64_t in, bool has_bias)
    {
        made_.conv(theirs(), ours(), out, in, 3, has_bias);
        ++layer_;
    }

    void blocks(std::int64_t count)
    {
        for (; count > 0; --count, ++layer_)
            for (const char* number : {".conv.0", ".conv.2", ".conv.4"})
                made_.conv(theirs() + number, ours() + number, plan_.width, plan_.width);
    }

    std::string theirs() const { return std::to_string(layer_ + shift_); }
    std::string ours() const
    {
        return (plan_.half == TinyHalf::Encoder ? "encoder.layers." : "decoder.layers.")
            + std::to_string(layer_);
    }

    const TinyPlan& plan_;
    std::int64_t layer_ = 0; // as diffusers counts
    std::int64_t shift_ = 0;
    Blueprint made_;
};

} // namespace

bool is_tiny(const Part& part)
{
    return !part.empty() && std::ranges::all_of(part.names(), [](const auto& named) {
        const auto first = first_segment(named.first);
        return !first.empty() && first.size() < named.first.size()
            && std::ranges::all_of(first, [](char c) { return c >= '0' && c <= '9'; });
    });
}

Result<TinyPlan> read_tiny(const Part& part)
{
    TinyPlan plan;
    plan.half = part.holds("0.weight") ? TinyHalf::Encoder : TinyHalf::Decoder;
    const bool is_encoder = plan.half == TinyHalf::Encoder;
    const std::string first = is_encoder ? "0.weight" : "1.weight";
    plan.width = part.dim(first, 0);
    (is_encoder ? plan.image_channels : plan.latents) = part.dim(first, 1);

    std::int64_t layer = is_encoder ? 1 : 3;
    std::string last = first;
    // A level is a run of blocks; convolutions (of the decoder: after an upsampling) part them.
    for (std::int64_t level = 0; level < 16; ++level) {
        std::int64_t count = 0;
        while (count < 64 && is_block(part, layer))
            ++count, ++layer;
        if (!is_encoder && !part.holds(std::to_string(layer) + ".weight")) ++layer;
        last = std::to_string(layer) + ".weight";
        if (!part.holds(last)) break;
        plan.blocks.push_back(count);
        ++layer;
        if (!part.has_below(std::to_string(layer) + ".")
            && !part.has_below(std::to_string(layer + 1) + "."))
            break;
    }
    (is_encoder ? plan.latents : plan.image_channels) = part.dim(last, 0);
    if (plan.width < 1 || plan.latents < 1 || plan.image_channels < 1 || plan.blocks.empty())
        return unknown_architecture(kWhat,
                                    "its " + std::to_string(part.size())
                                        + " numbered tensors are not convolutions in a row");
    return plan;
}

io::Json to_config(const TinyPlan& plan)
{
    auto mirrored = plan.blocks;
    std::ranges::reverse(mirrored);
    const bool is_encoder = plan.half == TinyHalf::Encoder;
    const io::Json widths = json_array(std::vector<std::int64_t>(plan.blocks.size(), plan.width));
    io::Json out = io::Json::object();
    out["_class_name"] = "AutoencoderTiny";
    out["act_fn"] = "relu";
    out["decoder_block_out_channels"] = widths;
    out["encoder_block_out_channels"] = widths;
    out["in_channels"] = plan.image_channels;
    out["latent_channels"] = plan.latents;
    out["latent_magnitude"] = 3;
    out["latent_shift"] = 0.5;
    out["num_decoder_blocks"] = json_array(is_encoder ? mirrored : plan.blocks);
    out["num_encoder_blocks"] = json_array(is_encoder ? plan.blocks : mirrored);
    out["out_channels"] = plan.image_channels;
    out["scaling_factor"] = 1.0;
    out["upsampling_scaling_factor"] = 2;
    return out;
}

Result<TinyPlan> tiny_from_config(const io::Json& config, TinyHalf half)
{
    const bool is_encoder = half == TinyHalf::Encoder;
    TinyPlan plan{.half = half};
    VELAMEN_ASSIGN(plan.image_channels,
                   size_field(config, is_encoder ? "in_channels" : "out_channels", 3));
    VELAMEN_ASSIGN(plan.latents, size_field(config, "latent_channels", 4));
    VELAMEN_ASSIGN(plan.blocks,
                   config.integers(is_encoder ? "num_encoder_blocks" : "num_decoder_blocks"));
    if (plan.blocks.empty() || plan.blocks.size() > 16
        || !std::ranges::all_of(plan.blocks,
                                [](std::int64_t count) { return count >= 0 && count <= 64; }))
        return fail(ErrorCode::InvalidArgument,
                    "the tiny autoencoder's config has no sensible numbers of blocks");
    VELAMEN_ASSIGN(
        const auto widths,
        widths_field(config,
                     is_encoder ? "encoder_block_out_channels" : "decoder_block_out_channels"));
    plan.width = widths.front();
    return plan;
}

Blueprint blueprint_of(const TinyPlan& plan)
{
    Builder builder(plan);
    return plan.half == TinyHalf::Encoder ? builder.encoder() : builder.decoder();
}

} // namespace velamen::keymap
