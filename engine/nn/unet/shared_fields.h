// SPDX-License-Identifier: GPL-3.0-or-later
//
// The fields that the configs of both UNets have, under the same names: read, written and checked
// once.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/unet/plan.h"

namespace velamen::nn {

/// An integer, 0 where the field is null, `absent` where it is not there.
Result<std::int64_t> integer_or_null(const io::Json& json, const char* key, std::int64_t absent);
/// What integer_or_null() reads.
io::Json null_or_integer(std::int64_t value);
/// resnet_time_scale_shift; Unsupported when it is neither "default" nor "scale_shift".
Result<bool> scale_shift_of(const io::Json& json);

/// Corrupt, naming the field; absent ones keep what `c` has.
template <class Config>
Result<> read_shared_fields(const io::Json& json, Config& c)
{
    VELAMEN_ASSIGN(c.in_channels, json.integer_or("in_channels", c.in_channels));
    VELAMEN_ASSIGN(c.out_channels, json.integer_or("out_channels", c.out_channels));
    if (const io::Json* size = json.find("sample_size"); size != nullptr && size->is_integer()) {
        VELAMEN_ASSIGN(c.sample_size, json.integer("sample_size"));
    }
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
    VELAMEN_ASSIGN(c.norm_num_groups, json.integer_or("norm_num_groups", c.norm_num_groups));
    VELAMEN_ASSIGN(c.norm_eps, json.number_or("norm_eps", c.norm_eps));
    VELAMEN_ASSIGN(c.downsample_padding,
                   json.integer_or("downsample_padding", c.downsample_padding));
    VELAMEN_ASSIGN(c.flip_sin_to_cos, json.flag_or("flip_sin_to_cos", c.flip_sin_to_cos));
    VELAMEN_ASSIGN(c.freq_shift, json.number_or("freq_shift", c.freq_shift));
    VELAMEN_ASSIGN(c.num_class_embeds, integer_or_null(json, "num_class_embeds", 0));
    VELAMEN_ASSIGN(c.scale_shift, scale_shift_of(json));
    return {};
}

io::Json::Array json_array(const auto& values) { return {values.begin(), values.end()}; }

template <class Config>
void write_shared_fields(const Config& c, io::Json& out)
{
    out["act_fn"] = "silu";
    out["block_out_channels"] = json_array(c.block_out_channels);
    out["down_block_types"] = json_array(c.down_block_types);
    out["downsample_padding"] = c.downsample_padding;
    out["flip_sin_to_cos"] = c.flip_sin_to_cos;
    if (c.freq_shift == static_cast<double>(static_cast<std::int64_t>(c.freq_shift)))
        out["freq_shift"] = static_cast<std::int64_t>(c.freq_shift);
    else
        out["freq_shift"] = c.freq_shift;
    out["in_channels"] = c.in_channels;
    out["layers_per_block"] = c.layers_per_block;
    out["norm_eps"] = c.norm_eps;
    out["norm_num_groups"] = c.norm_num_groups;
    if (c.num_class_embeds > 0) out["num_class_embeds"] = c.num_class_embeds;
    out["out_channels"] = c.out_channels;
    if (c.sample_size > 0) out["sample_size"] = c.sample_size;
    out["resnet_time_scale_shift"] = c.scale_shift ? "scale_shift" : "default";
    out["up_block_types"] = json_array(c.up_block_types);
}

/// Members in the order of their keys, as diffusers writes them.
io::Json sorted_by_key(const io::Json& object);

/// "the UNet's config is not consistent: ..."
tl::unexpected<Error> inconsistent(const std::string& what);

/// Unsupported when one of `types` is neither of the two. `way`: "up" or "down".
Result<> check_block_types(const char* way, const std::vector<std::string>& types,
                           const char* with_attention, const char* without);

template <class Config>
Result<> check_shared_fields(const Config& c)
{
    const std::size_t levels = c.block_out_channels.size();
    if (levels == 0 || levels > 16) return inconsistent("block_out_channels needs 1 to 16 entries");
    if (c.down_block_types.size() != levels || c.up_block_types.size() != levels)
        return inconsistent(
            "down_block_types and up_block_types must be as long as block_out_channels");
    for (const std::int64_t size :
         {c.in_channels, c.out_channels, c.layers_per_block, c.norm_num_groups})
        if (size < 1 || size > 1 << 20) return inconsistent("sizes must be positive");
    if (c.num_class_embeds < 0 || c.num_class_embeds > 1 << 20)
        return inconsistent("num_class_embeds must not be negative");
    if (c.downsample_padding != 1 && c.downsample_padding != 0)
        return inconsistent("downsample_padding must be 0 or 1");
    if (!(c.norm_eps > 0.0)) return inconsistent("norm_eps must be positive");
    for (const std::int64_t channels : c.block_out_channels)
        if (channels < 2 || channels > 1 << 20 || channels % c.norm_num_groups != 0)
            return inconsistent("block_out_channels must be multiples of norm_num_groups");
    if (c.block_out_channels.front() % 2 != 0)
        return inconsistent("the first of block_out_channels must be even");
    return {};
}

/// The options of a level as the shared fields give them. What the two configs add to them:
/// `complete`, called with a level, whether it has attention, and the options.
template <class Config, class Complete>
UNetPlan plan_of(const Config& c, const char* down_attention, const char* up_attention,
                 bool has_middle_attention, Complete complete)
{
    UNetPlan plan{.sample_size = c.sample_size,
                  .in_channels = c.in_channels,
                  .out_channels = c.out_channels,
                  .channels = c.block_out_channels,
                  .layers = c.layers_per_block,
                  .groups = c.norm_num_groups,
                  .eps = c.norm_eps,
                  .flip_sin_to_cos = c.flip_sin_to_cos,
                  .freq_shift = c.freq_shift,
                  .class_rows = c.num_class_embeds};
    const auto options_at = [&](std::size_t level, bool has_attention) {
        StageOptions options{.time_channels = plan.time_channels(),
                             .groups = c.norm_num_groups,
                             .eps = c.norm_eps,
                             .scale_shift = c.scale_shift,
                             .heads = c.heads_of(level),
                             .attention_groups = c.norm_num_groups,
                             .downsample_padding = c.downsample_padding};
        complete(has_attention, options);
        return options;
    };
    const std::size_t levels = c.block_out_channels.size();
    for (std::size_t i = 0; i < levels; ++i)
        plan.down.push_back(options_at(i, c.down_block_types[i] == down_attention));
    plan.middle = options_at(levels - 1, has_middle_attention);
    for (std::size_t i = 0; i < levels; ++i)
        plan.up.push_back(options_at(levels - 1 - i, c.up_block_types[i] == up_attention));
    return plan;
}

struct FixedField {
    const char* key;
    std::vector<io::Json> accepted; ///< besides absent
};

/// Unsupported, naming the first field with another value: what changes the computation is refused
/// instead of ignored. A list, one value a level, is accepted when each of its values is. `wanted`:
/// what to choose instead.
Result<> refuse_unsupported(const io::Json& json, std::span<const FixedField> fields,
                            const char* wanted);

} // namespace velamen::nn
