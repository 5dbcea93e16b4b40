// SPDX-License-Identifier: GPL-3.0-or-later
//
// The tensors of conditioners under both names.

#include "engine/keymap/conditioner.h"

namespace velamen::keymap {

namespace {

Blueprint hugging_face(const ClipPlan& plan)
{
    const std::string model = "transformer.text_model.";
    Blueprint made;
    const auto same = [&](const std::string& name, const Shape& shape) {
        made.tensor(model + name, name, shape);
    };
    const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
        made.linear(model + name, name, out, in);
    };
    same("embeddings.token_embedding.weight", {plan.vocabulary, plan.width});
    same("embeddings.position_embedding.weight", {plan.positions, plan.width});
    for (std::int64_t i = 0; i < plan.layers; ++i) {
        const std::string layer = "encoder.layers." + std::to_string(i) + ".";
        for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"})
            linear(layer + "self_attn." + name, plan.width, plan.width);
        made.norm(model + layer + "layer_norm1", layer + "layer_norm1", plan.width);
        linear(layer + "mlp.fc1", plan.inner, plan.width);
        linear(layer + "mlp.fc2", plan.width, plan.inner);
        made.norm(model + layer + "layer_norm2", layer + "layer_norm2", plan.width);
    }
    made.norm(model + "final_layer_norm", "final_layer_norm", plan.width);
    return made;
}

Blueprint open_clip(const ClipPlan& plan)
{
    Blueprint made;
    made.tensor("model.token_embedding.weight", "embeddings.token_embedding.weight",
                {plan.vocabulary, plan.width});
    made.tensor("model.positional_embedding", "embeddings.position_embedding.weight",
                {plan.positions, plan.width});
    for (std::int64_t i = 0; i < plan.layers; ++i) {
        const std::string number = std::to_string(i) + ".";
        const std::string theirs = "model.transformer.resblocks." + number;
        const std::string ours = "encoder.layers." + number;
        const std::string attention = ours + "self_attn.";
        made.thirds(theirs + "attn.in_proj_weight", theirs + "attn.in_proj_bias",
                    {attention + "q_proj", attention + "k_proj", attention + "v_proj"}, plan.width,
                    0, 1);
        made.linear(theirs + "attn.out_proj", attention + "out_proj", plan.width, plan.width);
        made.norm(theirs + "ln_1", ours + "layer_norm1", plan.width);
        made.linear(theirs + "mlp.c_fc", ours + "mlp.fc1", plan.inner, plan.width);
        made.linear(theirs + "mlp.c_proj", ours + "mlp.fc2", plan.width, plan.inner);
        made.norm(theirs + "ln_2", ours + "layer_norm2", plan.width);
    }
    made.norm("model.ln_final", "final_layer_norm", plan.width);
    return made;
}

Blueprint blueprint_of_one(const ClipPlan& plan)
{
    return plan.naming == ClipPlan::Naming::HuggingFace ? hugging_face(plan) : open_clip(plan);
}

Blueprint blueprint_of_one(const LdmBertPlan& plan)
{
    const std::int64_t inside = 64 * plan.heads; // need not be the width
    Blueprint made;
    made.tensor("transformer.token_emb.weight", "model.embed_tokens.weight",
                {plan.vocabulary, plan.width});
    made.tensor("transformer.pos_emb.emb.weight", "model.embed_positions.weight",
                {plan.positions, plan.width});
    for (std::int64_t i = 0; i < plan.layers; ++i) {
        const std::string attention =
            "transformer.attn_layers.layers." + std::to_string(2 * i) + ".";
        const std::string feed =
            "transformer.attn_layers.layers." + std::to_string(2 * i + 1) + ".";
        const std::string ours = "model.layers." + std::to_string(i) + ".";
        made.norm(attention + "0", ours + "self_attn_layer_norm", plan.width);
        for (const char* name : {"q", "k", "v"})
            made.linear(attention + "1.to_" + name, ours + "self_attn." + name + "_proj", inside,
                        plan.width, false);
        made.linear(attention + "1.to_out", ours + "self_attn.out_proj", plan.width, inside);
        made.norm(feed + "0", ours + "final_layer_norm", plan.width);
        made.linear(feed + "1.net.0.0", ours + "fc1", plan.inner, plan.width);
        made.linear(feed + "1.net.2", ours + "fc2", plan.width, plan.inner);
    }
    made.norm("transformer.norm", "model.layer_norm", plan.width);
    if (plan.has_logits)
        made.linear("transformer.to_logits", "to_logits", plan.vocabulary, plan.width);
    return made;
}

Blueprint blueprint_of_one(const ClassTablePlan& plan)
{
    Blueprint made;
    made.tensor("embedding.weight", "embedding.weight", {plan.rows, plan.width});
    return made;
}

} // namespace

Blueprint blueprint_of(const ConditionerPlan& plan)
{
    return std::visit([](const auto& one) { return blueprint_of_one(one); }, plan);
}

} // namespace velamen::keymap
