// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/keymap/sections.h"

#include <algorithm>
#include <array>
#include <set>

#include "engine/keymap/conditioner.h"
#include "engine/keymap/tiny.h"

namespace velamen::keymap {

namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> names)
{
    return std::ranges::find(names, text) != names.end();
}

/// Buffers of the sampler and of the trainer: they follow from the config or are not needed.
bool is_buffer(std::string_view name)
{
    const std::string_view first = first_segment(name);
    if (is_one_of(first,
                  {"callbacks", "epoch", "global_step", "hparams_name", "hyper_parameters", "loops",
                   "lr_schedulers", "optimizer_states", "pytorch-lightning_version"}))
        return true;
    if (first.size() != name.size()) return false; // the schedule's have no dot
    if (is_one_of(name,
                  {"betas", "alphas_cumprod", "alphas_cumprod_prev", "lvlb_weights", "logvar"}))
        return true;
    return std::ranges::any_of(
        std::array<std::string_view, 4>{"sqrt_", "log_one_minus_", "posterior_", "ddim_"},
        [&](std::string_view begin) { return name.starts_with(begin); });
}

/// Of the text encoders: nothing that the UNet's condition is computed from.
bool is_unused_condition(std::string_view name)
{
    const auto parts = segments(name);
    if (is_one_of(parts.back(), {"position_ids", "attn_mask", "logit_scale", "text_projection"}))
        return true;
    if (parts.size() >= 2 && parts[parts.size() - 2] == "text_projection") return true;
    static const std::string after_the_used =
        "model.transformer.resblocks." + std::to_string(kUsedOpenClipBlocks) + ".";
    return name.starts_with(after_the_used);
}

bool take(std::string_view& name, std::string_view prefix)
{
    if (!name.starts_with(prefix)) return false;
    name.remove_prefix(prefix.size());
    return true;
}

/// Moves what is there without a prefix: a file of one model.
void divide_bare(Sections& out)
{
    Part& rest = out.rest;
    const bool is_unet = out.unet.empty() && rest.holds("input_blocks.0.0.weight");
    const bool is_autoencoder = out.autoencoder.empty()
        && (rest.holds("encoder.conv_in.weight") || rest.holds("decoder.conv_in.weight"));
    const bool is_numbered = out.unet.empty() && out.average.empty() && out.autoencoder.empty()
        && out.condition.empty() && is_tiny(rest);
    Part left(rest.entries());
    for (const auto& [name, source] : rest.names()) {
        const std::string_view first = first_segment(name);
        if (is_numbered)
            out.tiny.add(name, source);
        else if (is_unet
                 && is_one_of(first,
                              {"time_embed", "label_emb", "input_blocks", "middle_block",
                               "output_blocks", "out"}))
            out.unet.add(name, source);
        else if (is_autoencoder
                 && is_one_of(first,
                              {"encoder", "decoder", "quant_conv", "post_quant_conv", "quantize"}))
            out.autoencoder.add(name, source);
        else if (is_autoencoder && first == "loss")
            out.ignored.push_back(name);
        else
            left.add(name, source);
    }
    rest = left;
}

Result<> check(std::span<const Entry> entries)
{
    std::set<std::string_view> names;
    for (const Entry& entry : entries) {
        if (!names.insert(entry.name).second)
            return fail(ErrorCode::Corrupt, "tensor " + entry.name + " is there twice");
        for (const std::int64_t size : entry.shape)
            if (size < 0 || size > std::int64_t{1} << 31)
                return fail(ErrorCode::Corrupt,
                            "tensor " + entry.name + " has the impossible shape "
                                + to_text(entry.shape));
    }
    return {};
}

} // namespace

Result<Sections> divide(std::span<const Entry> entries)
{
    VELAMEN_TRY(check(entries));
    Sections out(entries);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        std::string_view name = entries[i].name;
        bool is_new = true;
        if (name == "scale_factor") {
            out.scale_factor = i;
        } else if (is_buffer(name)) {
            if (name == "betas") out.betas = i;
            out.ignored.emplace_back(name);
        } else if (take(name, "model.diffusion_model.")) {
            is_new = out.unet.add(std::string(name), i);
        } else if (take(name, "model_ema.")) {
            if (is_one_of(name, {"decay", "num_updates"}))
                out.ignored.push_back(entries[i].name);
            else
                is_new = out.average.add(std::string(name), i);
        } else if (take(name, "first_stage_model.") || take(name, "vae.")) {
            if (first_segment(name) == "loss")
                out.ignored.push_back(entries[i].name);
            else
                is_new = out.autoencoder.add(std::string(name), i);
        } else if (take(name, "cond_stage_model.")) {
            if (is_unused_condition(name))
                out.ignored.push_back(entries[i].name);
            else
                is_new = out.condition.add(canonical_condition_name(name), i);
        } else if (is_one_of(last_segment(name), {"position_ids", "attn_mask"})) {
            out.ignored.emplace_back(name);
        } else {
            out.rest.add(std::string(name), i);
        }
        if (!is_new)
            return fail(ErrorCode::Corrupt,
                        "tensor " + entries[i].name + " is there under another prefix too");
    }
    divide_bare(out);
    return out;
}

} // namespace velamen::keymap
