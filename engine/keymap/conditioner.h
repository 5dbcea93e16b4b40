// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the UNet is conditioned on in CompVis's code (cond_stage_model), as diffusers' or
// transformers' config and as a list of tensors.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/keymap/blueprint.h"
#include "engine/keymap/part.h"

namespace velamen::keymap {

/// CLIP's text encoder (transformers' CLIPTextModel).
struct ClipPlan {
    enum class Naming {
        HuggingFace, ///< Stable Diffusion 1; quick_gelu
        OpenClip     ///< Stable Diffusion 2; gelu
    };

    Naming naming = Naming::HuggingFace;
    std::int64_t vocabulary = 49408;
    std::int64_t positions = 77;
    std::int64_t width = 768;
    std::int64_t inner = 3072;
    std::int64_t layers = 12;
    std::int64_t heads = 12;

    friend bool operator==(const ClipPlan&, const ClipPlan&) = default;
};

/// Of the 24 blocks of OpenCLIP's text encoder Stable Diffusion 2 leaves the last out.
inline constexpr std::int64_t kUsedOpenClipBlocks = 23;

/// The text encoder of the text-to-image model of latent-diffusion (diffusers' LDMBertModel).
struct LdmBertPlan {
    std::int64_t vocabulary = 30522;
    std::int64_t positions = 77;
    std::int64_t width = 1280;
    std::int64_t inner = 5120;
    std::int64_t layers = 32;
    std::int64_t heads = 8;
    bool has_logits = false; ///< to_logits, which nothing uses

    friend bool operator==(const LdmBertPlan&, const LdmBertPlan&) = default;
};

/// A table with a row for every class.
struct ClassTablePlan {
    std::int64_t rows = 1001;
    std::int64_t width = 512;

    friend bool operator==(const ClassTablePlan&, const ClassTablePlan&) = default;
};

using ConditionerPlan = std::variant<ClipPlan, LdmBertPlan, ClassTablePlan>;

/// From names without "cond_stage_model.", as canonical_condition_name() gives them. `text_heads`:
/// of a CLIP encoder that is not a known one, 0 when not told.
Result<ConditionerPlan> read_conditioner(const Part& part, std::int64_t text_heads);
/// Puts "text_model." into the names of files that lack it.
std::string canonical_condition_name(std::string_view name);

/// "text_encoder", "bert" or "class_embedder".
std::string subfolder_of(const ConditionerPlan& plan);
/// Of the condition that the UNet sees.
std::int64_t width_of(const ConditionerPlan& plan);

io::Json to_config(const ConditionerPlan& plan);
Result<ConditionerPlan> conditioner_from_config(const io::Json& config);
Blueprint blueprint_of(const ConditionerPlan& plan);

} // namespace velamen::keymap
