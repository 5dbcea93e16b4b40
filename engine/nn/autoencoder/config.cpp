// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading, checking and writing the autoencoder's config.json.

#include "engine/nn/autoencoder/config.h"

namespace velamen::nn {

std::int64_t AutoencoderKLConfig::factor() const
{
    return std::int64_t{1} << (block_out_channels.size() - 1);
}

Result<AutoencoderKLConfig> AutoencoderKLConfig::from_json(const io::Json& json)
{
    AutoencoderKLConfig c;
    VELAMEN_ASSIGN(const std::string act, json.text_or("act_fn", "silu"));
    if (act != "silu" && act != "swish")
        return fail(ErrorCode::Unsupported,
                    "the autoencoder's config has act_fn = " + act + ", which is not supported");
    if (const io::Json* size = json.find("sample_size"); size != nullptr && size->is_integer()) {
        VELAMEN_ASSIGN(c.sample_size, json.integer("sample_size"));
    }
    VELAMEN_ASSIGN(c.in_channels, json.integer_or("in_channels", c.in_channels));
    VELAMEN_ASSIGN(c.out_channels, json.integer_or("out_channels", c.out_channels));
    if (json.find("down_block_types") != nullptr) {
        VELAMEN_ASSIGN(c.down_block_types, json.texts("down_block_types"));
    }
    if (json.find("up_block_types") != nullptr) {
        VELAMEN_ASSIGN(c.up_block_types, json.texts("up_block_types"));
    }
    if (json.find("block_out_channels") != nullptr) {
        VELAMEN_ASSIGN(c.block_out_channels, json.integers("block_out_channels"));
    }
    VELAMEN_ASSIGN(c.layers_per_block, json.integer_or("layers_per_block", c.layers_per_block));
    VELAMEN_ASSIGN(c.latent_channels, json.integer_or("latent_channels", c.latent_channels));
    VELAMEN_ASSIGN(c.norm_num_groups, json.integer_or("norm_num_groups", c.norm_num_groups));
    VELAMEN_ASSIGN(c.scaling_factor, json.number_or("scaling_factor", c.scaling_factor));
    VELAMEN_ASSIGN(c.mid_block_add_attention,
                   json.flag_or("mid_block_add_attention", c.mid_block_add_attention));
    VELAMEN_ASSIGN(c.use_quant_conv, json.flag_or("use_quant_conv", c.use_quant_conv));
    VELAMEN_ASSIGN(c.use_post_quant_conv,
                   json.flag_or("use_post_quant_conv", c.use_post_quant_conv));
    VELAMEN_TRY(c.check());
    return c;
}

io::Json AutoencoderKLConfig::to_json() const
{
    const auto to_array = [](const auto& values) {
        return io::Json::Array(values.begin(), values.end());
    };
    io::Json out = io::Json::object();
    out["_class_name"] = "AutoencoderKL";
    out["act_fn"] = "silu";
    out["block_out_channels"] = to_array(block_out_channels);
    out["down_block_types"] = to_array(down_block_types);
    out["in_channels"] = in_channels;
    out["latent_channels"] = latent_channels;
    out["layers_per_block"] = layers_per_block;
    out["mid_block_add_attention"] = mid_block_add_attention;
    out["norm_num_groups"] = norm_num_groups;
    out["out_channels"] = out_channels;
    out["sample_size"] = sample_size;
    out["scaling_factor"] = scaling_factor;
    out["up_block_types"] = to_array(up_block_types);
    out["use_post_quant_conv"] = use_post_quant_conv;
    out["use_quant_conv"] = use_quant_conv;
    return out;
}

Result<> AutoencoderKLConfig::check() const
{
    const auto bad = [](std::string what) {
        return fail(ErrorCode::InvalidArgument,
                    "the autoencoder's config is not consistent: " + what);
    };
    const std::size_t levels = block_out_channels.size();
    if (levels == 0 || levels > 16) return bad("block_out_channels needs 1 to 16 entries");
    if (down_block_types.size() != levels || up_block_types.size() != levels)
        return bad("down_block_types and up_block_types must be as long as block_out_channels");
    for (std::int64_t size :
         {in_channels, out_channels, layers_per_block, latent_channels, norm_num_groups})
        if (size < 1 || size > 1 << 20) return bad("sizes must be positive");
    for (std::int64_t channels : block_out_channels)
        if (channels < 1 || channels > 1 << 20 || channels % norm_num_groups != 0)
            return bad("block_out_channels must be multiples of norm_num_groups");
    for (const std::string& type : down_block_types)
        if (type != "DownEncoderBlock2D" && type != "AttnDownEncoderBlock2D")
            return fail(ErrorCode::Unsupported,
                        "the autoencoder's block " + type + " is not supported",
                        "supported are DownEncoderBlock2D and AttnDownEncoderBlock2D");
    for (const std::string& type : up_block_types)
        if (type != "UpDecoderBlock2D" && type != "AttnUpDecoderBlock2D")
            return fail(ErrorCode::Unsupported,
                        "the autoencoder's block " + type + " is not supported",
                        "supported are UpDecoderBlock2D and AttnUpDecoderBlock2D");
    return {};
}

} // namespace velamen::nn
