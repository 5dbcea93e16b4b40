// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/conditioner/any_config.h"

#include "engine/core/assert.h"

namespace velamen::nn {

Result<ConditionerConfig> ConditionerConfig::from_json(const std::string& kind,
                                                       const io::Json& json)
{
    if (kind == "ClassEmbedder") {
        VELAMEN_ASSIGN(const ClassEmbedderConfig config, ClassEmbedderConfig::from_json(json));
        return ConditionerConfig(config);
    }
    if (kind == "CLIPTextModel" || kind == "CLIPTextModelWithProjection") {
        VELAMEN_ASSIGN(const ClipTextConfig config, ClipTextConfig::from_json(json));
        return ConditionerConfig(config);
    }
    if (kind == "LDMBertModel") {
        VELAMEN_ASSIGN(const LdmBertConfig config, LdmBertConfig::from_json(json));
        return ConditionerConfig(config);
    }
    return fail(ErrorCode::Unsupported, "the conditioner is a " + kind + ", which is not supported",
                "supported are ClassEmbedder, CLIPTextModel and LDMBertModel");
}

std::int64_t ConditionerConfig::dim() const noexcept
{
    if (const auto* table = std::get_if<ClassEmbedderConfig>(&config_)) return table->dim;
    if (const auto* clip = std::get_if<ClipTextConfig>(&config_)) return clip->hidden_size;
    return std::get_if<LdmBertConfig>(&config_)->d_model;
}

std::int64_t ConditionerConfig::rows() const noexcept
{
    const auto* table = std::get_if<ClassEmbedderConfig>(&config_);
    return table == nullptr ? 0 : table->rows;
}

std::shared_ptr<TextEncoder> ConditionerConfig::make_encoder() const
{
    VELAMEN_ASSERT(is_text());
    if (const auto* clip = std::get_if<ClipTextConfig>(&config_))
        return std::make_shared<ClipTextImpl>(*clip);
    return std::make_shared<LdmBertImpl>(std::get<LdmBertConfig>(config_));
}

std::shared_ptr<ClassEmbedderImpl> ConditionerConfig::make_table() const
{
    const auto& table = std::get<ClassEmbedderConfig>(config_);
    return std::make_shared<ClassEmbedderImpl>(table.rows, table.dim);
}

} // namespace velamen::nn
