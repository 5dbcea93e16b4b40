// SPDX-License-Identifier: GPL-3.0-or-later
//
// The config of any conditioner with parameters, told apart by its class name.

#pragma once

#include <memory>
#include <string>
#include <variant>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/conditioner/clip_text.h"
#include "engine/nn/conditioner/ldm_bert.h"

namespace velamen::nn {

class ConditionerConfig {
public:
    ConditionerConfig(ClassEmbedderConfig config) : config_(config) {}
    ConditionerConfig(ClipTextConfig config) : config_(config) {}
    ConditionerConfig(LdmBertConfig config) : config_(config) {}

    /// `kind`: ClassEmbedder, CLIPTextModel, CLIPTextModelWithProjection (its projection is not
    /// used) or LDMBertModel; Unsupported otherwise. Errors of the configs.
    static Result<ConditionerConfig> from_json(const std::string& kind, const io::Json& json);

    bool is_text() const noexcept { return !std::holds_alternative<ClassEmbedderConfig>(config_); }
    bool is_bert() const noexcept { return std::holds_alternative<LdmBertConfig>(config_); }
    /// Channels of a token.
    std::int64_t dim() const noexcept;
    /// Of a class table, with the null class; 0 of a text encoder.
    std::int64_t rows() const noexcept;

    /// is_text() must hold.
    std::shared_ptr<TextEncoder> make_encoder() const;
    /// is_text() must not hold.
    std::shared_ptr<ClassEmbedderImpl> make_table() const;

private:
    std::variant<ClassEmbedderConfig, ClipTextConfig, LdmBertConfig> config_;
};

} // namespace velamen::nn
