// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/autoencoder/tiny.h"

#include <functional>
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "engine/core/assert.h"

namespace velamen::nn {

namespace {

Result<> refuse_other(const io::Json& json, const char* key, const io::Json& only)
{
    const io::Json* value = json.find(key);
    if (value == nullptr || *value == only) return {};
    return fail(ErrorCode::Unsupported,
                std::string("the tiny autoencoder's config has ") + key + " = " + value->dump()
                    + ", which is not supported",
                "choose one with " + only.dump());
}

/// The width that all blocks of a half share: the layers between them keep it.
Result<std::int64_t> width_of(const io::Json& json, const char* key, std::int64_t absent,
                              std::size_t levels)
{
    if (json.find(key) == nullptr) return absent;
    VELAMEN_ASSIGN(const auto widths, json.integers(key));
    for (const std::int64_t width : widths)
        if (width != widths.front())
            return fail(ErrorCode::Unsupported,
                        std::string("the tiny autoencoder's ") + key + " differ from each other");
    if (widths.size() != levels)
        return fail(ErrorCode::Corrupt,
                    std::string("the tiny autoencoder's ") + key
                        + " are not as many as its numbers of blocks");
    return widths.front();
}

} // namespace

Result<AutoencoderTinyConfig> AutoencoderTinyConfig::from_json(const io::Json& json)
{
    for (const auto& [key, only] :
         std::vector<std::pair<const char*, io::Json>>{{"act_fn", "relu"},
                                                       {"upsample_fn", "nearest"},
                                                       {"upsampling_scaling_factor", 2},
                                                       {"latent_magnitude", 3},
                                                       {"latent_shift", 0.5}})
        VELAMEN_TRY(refuse_other(json, key, only));
    AutoencoderTinyConfig c;
    VELAMEN_ASSIGN(c.in_channels, json.integer_or("in_channels", c.in_channels));
    VELAMEN_ASSIGN(c.out_channels, json.integer_or("out_channels", c.out_channels));
    VELAMEN_ASSIGN(c.latent_channels, json.integer_or("latent_channels", c.latent_channels));
    if (json.find("num_encoder_blocks") != nullptr) {
        VELAMEN_ASSIGN(c.num_encoder_blocks, json.integers("num_encoder_blocks"));
    }
    if (json.find("num_decoder_blocks") != nullptr) {
        VELAMEN_ASSIGN(c.num_decoder_blocks, json.integers("num_decoder_blocks"));
    }
    VELAMEN_ASSIGN(c.encoder_channels,
                   width_of(json, "encoder_block_out_channels", c.encoder_channels,
                            c.num_encoder_blocks.size()));
    VELAMEN_ASSIGN(c.decoder_channels,
                   width_of(json, "decoder_block_out_channels", c.decoder_channels,
                            c.num_decoder_blocks.size()));
    VELAMEN_ASSIGN(c.scaling_factor, json.number_or("scaling_factor", c.scaling_factor));
    VELAMEN_TRY(c.check());
    return c;
}

io::Json AutoencoderTinyConfig::to_json() const
{
    const auto array = [](const auto& values) {
        return io::Json::Array(values.begin(), values.end());
    };
    io::Json out = io::Json::object();
    out["_class_name"] = "AutoencoderTiny";
    out["act_fn"] = "relu";
    out["decoder_block_out_channels"] =
        array(std::vector<std::int64_t>(num_decoder_blocks.size(), decoder_channels));
    out["encoder_block_out_channels"] =
        array(std::vector<std::int64_t>(num_encoder_blocks.size(), encoder_channels));
    out["in_channels"] = in_channels;
    out["latent_channels"] = latent_channels;
    out["latent_magnitude"] = 3;
    out["latent_shift"] = 0.5;
    out["num_decoder_blocks"] = array(num_decoder_blocks);
    out["num_encoder_blocks"] = array(num_encoder_blocks);
    out["out_channels"] = out_channels;
    out["scaling_factor"] = scaling_factor;
    out["upsampling_scaling_factor"] = 2;
    return out;
}

Result<> AutoencoderTinyConfig::check() const
{
    const auto bad = [](const char* what) {
        return fail(ErrorCode::InvalidArgument,
                    std::string("the tiny autoencoder's config is not consistent: ") + what);
    };
    for (const std::int64_t size :
         {in_channels, out_channels, latent_channels, encoder_channels, decoder_channels})
        if (size < 1 || size > 1 << 16) return bad("sizes must be positive");
    for (const auto* blocks : {&num_encoder_blocks, &num_decoder_blocks}) {
        if (blocks->empty() || blocks->size() > 16) return bad("there are 1 to 16 levels");
        for (const std::int64_t count : *blocks)
            if (count < 0 || count > 64) return bad("a level has at most 64 blocks");
    }
    return {};
}

namespace {

/// relu(x + three convolutions).
class TinyBlockImpl final : public torch::nn::Module {
public:
    explicit TinyBlockImpl(std::int64_t channels)
    {
        const ConvOptions options{.in = channels, .out = channels, .padding = 1};
        const auto convolutions = std::make_shared<torch::nn::Module>();
        for (const auto& [number, conv] :
             {std::pair{"0", &first_}, {"2", &second_}, {"4", &third_}}) {
            *conv = Conv(options);
            convolutions->register_module(number, conv->ptr());
        }
        register_module("conv", convolutions);
    }

    at::Tensor forward(const at::Tensor& x)
    {
        return at::relu(third_(at::relu(second_(at::relu(first_(x))))) + x);
    }

private:
    Conv first_{nullptr}, second_{nullptr}, third_{nullptr};
};
TORCH_MODULE(TinyBlock);

} // namespace

/// Layers in a row; those without parameters count in the numbers of the keys.
class TinyHalfImpl final : public torch::nn::Module {
public:
    TinyHalfImpl() { layers_ = register_module("layers", std::make_shared<torch::nn::Module>()); }

    void add(const ConvOptions& options)
    {
        const Conv conv(options);
        layers_->register_module(std::to_string(steps_.size()), conv.ptr());
        steps_.emplace_back([conv](const at::Tensor& x) { return conv.ptr()->forward(x); });
    }
    void add_blocks(std::int64_t count, std::int64_t channels)
    {
        for (std::int64_t i = 0; i < count; ++i) {
            const TinyBlock block(channels);
            layers_->register_module(std::to_string(steps_.size()), block.ptr());
            steps_.emplace_back([block](const at::Tensor& x) { return block.ptr()->forward(x); });
        }
    }
    void add_relu()
    {
        steps_.emplace_back([](const at::Tensor& x) { return at::relu(x); });
    }
    void add_upsample()
    {
        steps_.emplace_back([](const at::Tensor& x) {
            return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
        });
    }

    at::Tensor forward(at::Tensor x)
    {
        for (const auto& step : steps_)
            x = step(x);
        return x;
    }

private:
    std::shared_ptr<torch::nn::Module> layers_;
    std::vector<std::function<at::Tensor(const at::Tensor&)>> steps_;
};

AutoencoderTinyImpl::AutoencoderTinyImpl(const AutoencoderTinyConfig& config) : config_(config)
{
    VELAMEN_ASSERT(config.check().has_value());
    encoder_ = register_module("encoder", std::make_shared<TinyHalfImpl>());
    const std::int64_t inner = config.encoder_channels;
    for (std::size_t level = 0; level < config.num_encoder_blocks.size(); ++level) {
        if (level == 0)
            encoder_->add({.in = config.in_channels, .out = inner, .padding = 1});
        else
            encoder_->add(
                {.in = inner, .out = inner, .stride = 2, .padding = 1, .has_bias = false});
        encoder_->add_blocks(config.num_encoder_blocks[level], inner);
    }
    encoder_->add({.in = inner, .out = config.latent_channels, .padding = 1});

    decoder_ = register_module("decoder", std::make_shared<TinyHalfImpl>());
    const std::int64_t width = config.decoder_channels;
    decoder_->add({.in = config.latent_channels, .out = width, .padding = 1});
    decoder_->add_relu();
    for (std::size_t level = 0; level < config.num_decoder_blocks.size(); ++level) {
        const bool is_last = level + 1 == config.num_decoder_blocks.size();
        decoder_->add_blocks(config.num_decoder_blocks[level], width);
        if (!is_last) decoder_->add_upsample();
        decoder_->add({.in = width,
                       .out = is_last ? config.out_channels : width,
                       .padding = 1,
                       .has_bias = is_last});
    }
}

AutoencoderTinyImpl::~AutoencoderTinyImpl() = default;

at::Tensor AutoencoderTinyImpl::encode(const at::Tensor& x)
{
    return encoder_->forward((x + 1.0) / 2.0).contiguous();
}

at::Tensor AutoencoderTinyImpl::decode(const at::Tensor& z)
{
    return (decoder_->forward(at::tanh(z / 3.0) * 3.0) * 2.0 - 1.0).contiguous();
}

} // namespace velamen::nn
