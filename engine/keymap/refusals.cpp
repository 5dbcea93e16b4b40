// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/keymap/refusals.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace velamen::keymap {

namespace {

bool begins_with_one_of(std::string_view segment, std::initializer_list<std::string_view> begins)
{
    return std::ranges::any_of(begins, [&](auto begin) { return segment.starts_with(begin); });
}

bool is_lora(std::string_view name)
{
    return std::ranges::any_of(segments(name), [](std::string_view segment) {
        return begins_with_one_of(segment, {"lora_", "hada_", "lokr_"});
    });
}

bool has_segment(std::string_view name, std::initializer_list<std::string_view> wanted)
{
    return std::ranges::any_of(segments(name), [&](std::string_view segment) {
        return std::ranges::find(wanted, segment) != wanted.end();
    });
}

bool has_first(std::string_view name, std::initializer_list<std::string_view> wanted)
{
    return std::ranges::find(wanted, first_segment(name)) != wanted.end();
}

template <class Is>
std::vector<std::string> names_that(std::span<const Entry> entries, Is is)
{
    std::vector<std::string> found;
    for (const Entry& entry : entries)
        if (is(std::string_view(entry.name))) found.push_back(entry.name);
    std::ranges::sort(found);
    return found;
}

bool is_text(std::string_view name)
{
    return has_first(name, {"text_model", "embeddings", "token_embedding", "positional_embedding"})
        || name.starts_with("transformer.text_model.") || name.starts_with("encoder.layers.")
        || name.starts_with("transformer.resblocks.");
}

} // namespace

Result<> refuse_foreign(std::span<const Entry> entries)
{
    const auto found = [&](auto is) { return names_that(entries, is); };
    if (const auto lora = found(is_lora); !lora.empty()) {
        const bool has_base = std::ranges::any_of(entries, [](const Entry& entry) {
            return ends_with_path(entry.name, "input_blocks.0.0.weight");
        });
        if (has_base)
            return fail(ErrorCode::Unsupported,
                        "this checkpoint has LoRA weights beside its own: "
                            + count_of(lora, "of them"),
                        "merge the LoRA into the weights first");
        return fail(ErrorCode::Unsupported,
                    "this is a LoRA (" + count_of(lora, "such tensors")
                        + "): it needs a base model",
                    "choose the checkpoint that it was made for");
    }
    if (const auto names = found([](std::string_view name) {
            return has_first(name,
                             {"control_model", "input_hint_block", "zero_convs",
                              "controlnet_cond_embedding", "controlnet_down_blocks"});
        });
        !names.empty())
        return fail(ErrorCode::Unsupported,
                    "this is a ControlNet (" + count_of(names, "such tensors")
                        + "), which is unsupported here",
                    "choose the checkpoint that it controls");
    if (const auto names = found([](std::string_view name) {
            return has_segment(name, {"joint_blocks", "double_blocks"});
        });
        !names.empty())
        return fail(ErrorCode::Unsupported,
                    "this is a transformer like SD3 or Flux (" + count_of(names, "such tensors")
                        + "), not a latent diffusion UNet",
                    "choose a checkpoint of Stable Diffusion 1 or 2 or of latent-diffusion");
    if (const auto names = found([](std::string_view name) {
            return has_first(name, {"conditioner"}) || ends_with_path(name, "label_emb.0.0.weight");
        });
        !names.empty())
        return fail(ErrorCode::Unsupported,
                    "this is an SDXL checkpoint or one with a further embedding ("
                        + count_of(names, "such tensors") + "), which is unsupported here",
                    "choose a checkpoint of Stable Diffusion 1 or 2 or of latent-diffusion");
    if (const auto names = found([](std::string_view name) {
            return has_first(name, {"down_blocks", "up_blocks"})
                || name.starts_with("encoder.down_blocks.")
                || name.starts_with("decoder.up_blocks.");
        });
        !names.empty())
        return fail(ErrorCode::Unsupported,
                    "this file has diffusers' names (" + count_of(names, "such tensors")
                        + ") but no config beside it",
                    "open the diffusers folder that it belongs to");
    return {};
}

Result<> refuse_unrecognised(const Sections& sections)
{
    const bool has_model = !sections.unet.empty() || !sections.average.empty()
        || !sections.autoencoder.empty() || !sections.tiny.empty();
    std::vector<std::string> names;
    for (const auto& [name, source] : sections.rest.names())
        names.push_back(name);
    if (!has_model && (!sections.condition.empty() || std::ranges::any_of(names, is_text)))
        return fail(ErrorCode::Unsupported,
                    "this is a text encoder alone ("
                        + std::to_string(sections.condition.size() + names.size())
                        + " tensors): it needs a UNet",
                    "choose the checkpoint that it belongs to");
    if (!has_model && names.empty())
        return fail(ErrorCode::Unsupported, "this file has no tensors of a model",
                    "choose a latent diffusion checkpoint");
    if (!has_model)
        return fail(ErrorCode::Unsupported,
                    "this is not a latent diffusion checkpoint: "
                        + count_of(names, "tensors not recognised"),
                    "choose a checkpoint with model.diffusion_model.* tensors");
    if (!names.empty())
        return fail(ErrorCode::Unsupported,
                    "the file has " + count_of(names, "tensors that are not recognised")
                        + " beside its models",
                    "Velamen does not leave out what it does not know; remove them from the file");
    return {};
}

} // namespace velamen::keymap
