// SPDX-License-Identifier: GPL-3.0-or-later
//
// A conditioner's plan from shapes, and as config.json and back.

#include "engine/keymap/conditioner.h"

#include <array>

#include "engine/keymap/config.h"

namespace velamen::keymap {

namespace {

const std::string kWhat = "the text encoder";
constexpr std::int64_t kLdmHeadWidth = 64; // DEFAULT_DIM_HEAD of x_transformer.py

bool are_sizes(std::initializer_list<std::int64_t> values)
{
    return std::ranges::all_of(values,
                               [](std::int64_t value) { return value >= 1 && value <= 1 << 20; });
}

/// Heads of the published encoders of a naming; 0: none has this width.
std::int64_t known_heads(ClipPlan::Naming naming, std::int64_t width)
{
    if (naming == ClipPlan::Naming::HuggingFace) return width == 768 ? 12 : 0; // ViT-L/14
    return width == 1024 ? 16 : 0;                                             // ViT-H-14
}

Result<ConditionerPlan> finish(ClipPlan plan, std::int64_t text_heads)
{
    if (!are_sizes({plan.vocabulary, plan.positions, plan.width, plan.inner, plan.layers}))
        return unknown_architecture(kWhat, "its embeddings or its first layer are not there");
    plan.heads = text_heads > 0 ? text_heads : known_heads(plan.naming, plan.width);
    if (plan.heads == 0)
        return fail(ErrorCode::Incomplete,
                    "attention heads are not visible in the shapes of a text encoder of width "
                        + std::to_string(plan.width),
                    "pass the number of heads of the text encoder");
    if (plan.heads < 1 || plan.width % plan.heads != 0)
        return fail(ErrorCode::InvalidArgument,
                    std::to_string(plan.heads) + " attention heads do not divide the "
                        + std::to_string(plan.width) + " channels of the text encoder");
    return plan;
}

Result<ConditionerPlan> read_hugging_face(const Part& part, std::int64_t text_heads)
{
    const std::string model = "transformer.text_model.";
    return finish({.naming = ClipPlan::Naming::HuggingFace,
                   .vocabulary = part.dim(model + "embeddings.token_embedding.weight", 0),
                   .positions = part.dim(model + "embeddings.position_embedding.weight", 0),
                   .width = part.dim(model + "embeddings.token_embedding.weight", 1),
                   .inner = part.dim(model + "encoder.layers.0.mlp.fc1.weight", 0),
                   .layers = part.count_below(model + "encoder.layers.")},
                  text_heads);
}

Result<ConditionerPlan> read_open_clip(const Part& part, std::int64_t text_heads)
{
    const std::string blocks = "model.transformer.resblocks.";
    return finish({.naming = ClipPlan::Naming::OpenClip,
                   .vocabulary = part.dim("model.token_embedding.weight", 0),
                   .positions = part.dim("model.positional_embedding", 0),
                   .width = part.dim("model.token_embedding.weight", 1),
                   .inner = part.dim(blocks + "0.mlp.c_fc.weight", 0),
                   .layers = part.count_below(blocks)},
                  text_heads);
}

Result<ConditionerPlan> read_ldm_bert(const Part& part)
{
    const std::string layers = "transformer.attn_layers.layers.";
    LdmBertPlan plan{.vocabulary = part.dim("transformer.token_emb.weight", 0),
                     .positions = part.dim("transformer.pos_emb.emb.weight", 0),
                     .width = part.dim("transformer.token_emb.weight", 1),
                     .inner = part.dim(layers + "1.1.net.0.0.weight", 0),
                     .layers = part.count_below(layers) / 2,
                     .heads = part.dim(layers + "0.1.to_q.weight", 0) / kLdmHeadWidth,
                     .has_logits = part.holds("transformer.to_logits.weight")};
    if (!are_sizes(
            {plan.vocabulary, plan.positions, plan.width, plan.inner, plan.layers, plan.heads}))
        return unknown_architecture(kWhat, "its embeddings or its first layer are not there");
    return plan;
}

io::Json config_of(const ClipPlan& plan)
{
    const bool is_open = plan.naming == ClipPlan::Naming::OpenClip;
    io::Json out = io::Json::object();
    out["architectures"] = io::Json::Array{"CLIPTextModel"};
    out["eos_token_id"] = 2;
    out["hidden_act"] = is_open ? "gelu" : "quick_gelu";
    out["hidden_size"] = plan.width;
    out["intermediate_size"] = plan.inner;
    out["layer_norm_eps"] = 1e-5;
    out["max_position_embeddings"] = plan.positions;
    out["model_type"] = "clip_text_model";
    out["num_attention_heads"] = plan.heads;
    out["num_hidden_layers"] = plan.layers;
    out["projection_dim"] = is_open ? 512 : plan.width; // of no effect, as published
    out["vocab_size"] = plan.vocabulary;
    return out;
}

io::Json config_of(const LdmBertPlan& plan)
{
    io::Json out = io::Json::object();
    out["activation_function"] = "gelu";
    out["architectures"] = io::Json::Array{"LDMBertModel"};
    out["d_model"] = plan.width;
    out["encoder_attention_heads"] = plan.heads;
    out["encoder_ffn_dim"] = plan.inner;
    out["encoder_layers"] = plan.layers;
    out["head_dim"] = kLdmHeadWidth;
    out["max_position_embeddings"] = plan.positions;
    out["model_type"] = "ldmbert";
    out["pad_token_id"] = 0;
    out["vocab_size"] = plan.vocabulary;
    return out;
}

io::Json config_of(const ClassTablePlan& plan)
{
    io::Json out = io::Json::object();
    out["_class_name"] = "ClassEmbedder";
    out["rows"] = plan.rows;
    out["embedding_dim"] = plan.width;
    return out;
}

Result<ConditionerPlan> clip_from_config(const io::Json& config)
{
    static const std::vector<FixedField> fields{{"layer_norm_eps", {1e-5}},
                                                {"hidden_act", {"quick_gelu", "gelu"}}};
    VELAMEN_TRY(refuse_others(config, fields, kWhat));
    ClipPlan plan;
    const io::Json* act = config.find("hidden_act");
    if (act != nullptr && *act == io::Json("gelu")) plan.naming = ClipPlan::Naming::OpenClip;
    VELAMEN_ASSIGN(plan.vocabulary, size_field(config, "vocab_size", 49408));
    VELAMEN_ASSIGN(plan.positions, size_field(config, "max_position_embeddings", 77));
    VELAMEN_ASSIGN(plan.width, size_field(config, "hidden_size", 512));
    VELAMEN_ASSIGN(plan.inner, size_field(config, "intermediate_size", 2048));
    VELAMEN_ASSIGN(plan.layers, size_field(config, "num_hidden_layers", 12));
    VELAMEN_ASSIGN(plan.heads, size_field(config, "num_attention_heads", 8));
    if (plan.layers > 1024)
        return fail(ErrorCode::InvalidArgument, "the text encoder's config has over 1024 layers");
    return plan;
}

Result<ConditionerPlan> ldm_bert_from_config(const io::Json& config)
{
    static const std::vector<FixedField> fields{{"activation_function", {"gelu"}},
                                                {"head_dim", {kLdmHeadWidth}}};
    VELAMEN_TRY(refuse_others(config, fields, kWhat));
    LdmBertPlan plan;
    VELAMEN_ASSIGN(plan.vocabulary, size_field(config, "vocab_size", 30522));
    VELAMEN_ASSIGN(plan.positions, size_field(config, "max_position_embeddings", 77));
    VELAMEN_ASSIGN(plan.width, size_field(config, "d_model", 1280));
    VELAMEN_ASSIGN(plan.inner, size_field(config, "encoder_ffn_dim", 5120));
    VELAMEN_ASSIGN(plan.layers, size_field(config, "encoder_layers", 32));
    VELAMEN_ASSIGN(plan.heads, size_field(config, "encoder_attention_heads", 8));
    if (plan.layers > 512)
        return fail(ErrorCode::InvalidArgument, "the text encoder's config has over 512 layers");
    return plan;
}

} // namespace

Result<ConditionerPlan> read_conditioner(const Part& part, std::int64_t text_heads)
{
    if (part.has_below("transformer.text_model.")) return read_hugging_face(part, text_heads);
    if (part.has_below("model.transformer.resblocks.")) return read_open_clip(part, text_heads);
    if (part.has_below("transformer.attn_layers.")) return read_ldm_bert(part);
    if (const Entry* table = part.find("embedding.weight");
        table != nullptr && table->shape.size() == 2)
        return ClassTablePlan{.rows = table->shape[0], .width = table->shape[1]};
    std::vector<std::string> names;
    for (const auto& [name, source] : part.names())
        names.push_back(name);
    return unknown_architecture("the conditioner", count_of(names, "not recognised"));
}

std::string canonical_condition_name(std::string_view name)
{
    constexpr std::string_view kModel = "transformer.";
    if (!name.starts_with(kModel)) return std::string(name);
    const std::string_view inner = name.substr(kModel.size());
    for (const std::string_view segment : {"embeddings", "encoder", "final_layer_norm"})
        if (first_segment(inner) == segment) return "transformer.text_model." + std::string(inner);
    return std::string(name);
}

std::string subfolder_of(const ConditionerPlan& plan)
{
    static constexpr std::array<const char*, 3> kNames{"text_encoder", "bert", "class_embedder"};
    return kNames.at(plan.index());
}

std::int64_t width_of(const ConditionerPlan& plan)
{
    return std::visit([](const auto& one) { return one.width; }, plan);
}

io::Json to_config(const ConditionerPlan& plan)
{
    return std::visit([](const auto& one) { return config_of(one); }, plan);
}

Result<ConditionerPlan> conditioner_from_config(const io::Json& config)
{
    VELAMEN_ASSIGN(const std::string kind, config.text_or("_class_name", ""));
    if (kind == "ClassEmbedder") {
        ClassTablePlan plan;
        VELAMEN_ASSIGN(plan.rows, size_field(config, "rows", plan.rows));
        VELAMEN_ASSIGN(plan.width, size_field(config, "embedding_dim", plan.width));
        return plan;
    }
    VELAMEN_ASSIGN(const std::string type, config.text_or("model_type", kind));
    if (type == "clip_text_model") return clip_from_config(config);
    if (type == "ldmbert") return ldm_bert_from_config(config);
    return fail(ErrorCode::Unsupported, "a conditioner of type '" + type + "' has no CompVis names",
                "they are known for clip_text_model, ldmbert and ClassEmbedder");
}

} // namespace velamen::keymap
