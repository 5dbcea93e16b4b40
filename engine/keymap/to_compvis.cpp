// SPDX-License-Identifier: GPL-3.0-or-later

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/keymap/autoencoder.h"
#include "engine/keymap/conditioner.h"
#include "engine/keymap/modern_name.h"
#include "engine/keymap/single_file.h"
#include "engine/keymap/tiny.h"
#include "engine/keymap/unet.h"

namespace velamen::keymap {

namespace {

/// What a config is of.
enum class Kind { Unet, Autoencoder, Tiny, Conditioner };

Kind kind_of(const io::Json& config)
{
    const io::Json* field = config.find("_class_name");
    const std::string* name = field == nullptr ? nullptr : field->if_string();
    if (name == nullptr) return Kind::Conditioner; // transformers' configs have no class
    if (*name == "AutoencoderTiny") return Kind::Tiny;
    if (*name == "AutoencoderKL" || *name == "VQModel") return Kind::Autoencoder;
    return name->find("UNet") != std::string::npos ? Kind::Unet : Kind::Conditioner;
}

/// The component's tensors, under the names of today. `first`: what its sources are counted from.
Result<Part> part_of(std::span<const Entry> all, std::size_t first, std::size_t count, Kind kind)
{
    Part part(all);
    for (std::size_t i = first; i < first + count; ++i) {
        std::string name = modern_name(all[i].name);
        if (kind == Kind::Conditioner) {
            if (last_segment(name) == "position_ids") continue;
            if (name.starts_with("text_model."))
                name.erase(0, std::string_view("text_model.").size());
        }
        if (!part.add(name, i))
            return fail(ErrorCode::Corrupt, "tensor " + name + " is there twice");
    }
    return part;
}

Result<std::vector<Mapped>> unet_to_theirs(const io::Json& config, const Part& part)
{
    VELAMEN_ASSIGN(const UnetPlan plan, unet_from_config(config));
    return to_theirs(blueprint_of(plan), part, "the UNet", "model.diffusion_model.");
}

Result<std::vector<Mapped>> autoencoder_to_theirs(const io::Json& config, const Part& part)
{
    VELAMEN_ASSIGN(const AutoencoderPlan plan, autoencoder_from_config(config));
    return to_theirs(blueprint_of(plan), part, "the autoencoder", "first_stage_model.");
}

Result<std::vector<Mapped>> tiny_to_theirs(const io::Json& config, const Part& part)
{
    const bool has_encoder = part.has_below("encoder.");
    if (has_encoder && part.has_below("decoder."))
        return fail(ErrorCode::Unsupported,
                    "a tiny autoencoder's encoder and decoder are two files under their own names",
                    "pass the tensors of one of them");
    VELAMEN_ASSIGN(const TinyPlan plan,
                   tiny_from_config(config, has_encoder ? TinyHalf::Encoder : TinyHalf::Decoder));
    return to_theirs(blueprint_of(plan), part, "the tiny autoencoder", "");
}

Result<std::vector<Mapped>> conditioner_to_theirs(const io::Json& config, const Part& part)
{
    VELAMEN_ASSIGN(ConditionerPlan plan, conditioner_from_config(config));
    if (auto* bert = std::get_if<LdmBertPlan>(&plan); bert != nullptr)
        bert->has_logits = part.holds("to_logits.weight");
    return to_theirs(blueprint_of(plan), part, "the conditioner", "cond_stage_model.");
}

Result<std::vector<Mapped>> any_to_theirs(Kind kind, const io::Json& config, const Part& part)
{
    switch (kind) {
    case Kind::Unet:
        return unet_to_theirs(config, part);
    case Kind::Autoencoder:
        return autoencoder_to_theirs(config, part);
    case Kind::Tiny:
        return tiny_to_theirs(config, part);
    case Kind::Conditioner:
        break;
    }
    return conditioner_to_theirs(config, part);
}

} // namespace

Result<std::vector<Mapped>> to_compvis(std::span<const StoredComponent> components)
{
    std::vector<Entry> all;
    for (const StoredComponent& component : components)
        all.insert(all.end(), component.tensors.begin(), component.tensors.end());
    std::vector<Mapped> out;
    std::array<bool, 4> is_there{};
    std::size_t first = 0;
    for (const StoredComponent& component : components) {
        const Kind kind = kind_of(component.config);
        if (std::exchange(is_there.at(static_cast<std::size_t>(kind)), true))
            return fail(ErrorCode::InvalidArgument,
                        "a single file has one model of a kind, not two",
                        "pass one UNet, one autoencoder and one conditioner");
        VELAMEN_ASSIGN(const Part part, part_of(all, first, component.tensors.size(), kind));
        first += component.tensors.size();
        auto tensors = any_to_theirs(kind, component.config, part);
        if (!tensors) return tensors;
        std::ranges::move(*tensors, std::back_inserter(out));
    }
    return out;
}

} // namespace velamen::keymap
