// SPDX-License-Identifier: GPL-3.0-or-later
//
// A plan as a document. What a field may hold is checked in plan.cpp, for documents and requests
// alike.

#include "engine/train/plan.h"
#include "engine/train/plan_check.h"

namespace velamen::train {

namespace {

using io::Json;

Json names(const std::vector<std::string>& texts)
{
    Json list = Json::array();
    for (const std::string& text : texts)
        list.push_back(text);
    return list;
}

Json privacy_json(const PrivacyPlan& p)
{
    Json json = Json::object();
    json["epsilon"] = p.epsilon;
    json["delta"] = p.delta;
    json["neighbours"] = privacy::name_of(p.neighbours);
    json["public_units"] = p.public_units;
    json["unit"] = p.unit;
    json["rate"] = p.rate;
    json["expected_batch"] = p.expected_batch;
    json["steps"] = p.steps;
    json["noise_effective"] = p.noise_effective;
    json["noise_loss"] = p.noise_loss;
    json["noise_clipped"] = p.noise_clipped;
    json["noise_gradient"] = p.noise_gradient;
    json["hardened"] = p.hardened;
    json["noise_warm_start"] = p.noise_warm_start;
    json["noise_votes"] = p.noise_votes;
    json["images_per_unit"] = p.images_per_unit;
    return json;
}

Result<PrivacyPlan> privacy_from(const Json& json)
{
    PrivacyPlan p;
    VELAMEN_ASSIGN(p.epsilon, json.number("epsilon"));
    VELAMEN_ASSIGN(p.delta, json.number("delta"));
    VELAMEN_ASSIGN(const std::string relation, json.text("neighbours"));
    VELAMEN_ASSIGN(p.neighbours, privacy::neighbours_of(relation));
    VELAMEN_ASSIGN(p.public_units, json.integer("public_units"));
    VELAMEN_ASSIGN(p.unit, json.text("unit"));
    VELAMEN_ASSIGN(p.rate, json.number("rate"));
    VELAMEN_ASSIGN(p.expected_batch, json.integer("expected_batch"));
    VELAMEN_ASSIGN(p.steps, json.integer("steps"));
    VELAMEN_ASSIGN(p.noise_effective, json.number("noise_effective"));
    VELAMEN_ASSIGN(p.noise_loss, json.number("noise_loss"));
    VELAMEN_ASSIGN(p.noise_clipped, json.number_or("noise_clipped", 0.0));
    VELAMEN_ASSIGN(p.noise_gradient, json.number("noise_gradient"));
    VELAMEN_ASSIGN(p.hardened, json.flag_or("hardened", false));
    VELAMEN_ASSIGN(p.noise_warm_start, json.number_or("noise_warm_start", 0.0));
    VELAMEN_ASSIGN(p.noise_votes, json.number_or("noise_votes", 0.0));
    VELAMEN_ASSIGN(p.images_per_unit, json.integer_or("images_per_unit", 1));
    return p;
}

Json optimiser_json(const OptimiserPlan& o)
{
    Json json = Json::object();
    json["rule"] = o.rule;
    json["learning_rate"] = o.learning_rate;
    json["embedding_scale"] = o.embedding_scale;
    json["beta1"] = o.beta1;
    json["beta2"] = o.beta2;
    json["epsilon"] = o.epsilon;
    json["momentum"] = o.momentum;
    json["weight_decay"] = o.weight_decay;
    json["warmup_steps"] = o.warmup_steps;
    json["final_fraction"] = o.final_fraction;
    json["ema_decay"] = o.ema_decay;
    json["clipping"] = o.clipping;
    json["clipping_norm"] = o.clipping_norm;
    json["class_dropout"] = o.class_dropout;
    json["warm_start_steps"] = o.warm_start_steps;
    json["noise_multiplicity"] = o.noise_multiplicity;
    json["public_batch"] = o.public_batch;
    json["public_weight"] = o.public_weight;
    return json;
}

Result<OptimiserPlan> optimiser_from(const Json& json)
{
    OptimiserPlan o;
    VELAMEN_ASSIGN(o.rule, json.text_or("rule", "adamw"));
    VELAMEN_ASSIGN(o.learning_rate, json.number("learning_rate"));
    VELAMEN_ASSIGN(o.embedding_scale, json.number("embedding_scale"));
    VELAMEN_ASSIGN(o.beta1, json.number("beta1"));
    VELAMEN_ASSIGN(o.beta2, json.number("beta2"));
    VELAMEN_ASSIGN(o.epsilon, json.number("epsilon"));
    VELAMEN_ASSIGN(o.momentum, json.number_or("momentum", 0.9));
    VELAMEN_ASSIGN(o.weight_decay, json.number("weight_decay"));
    VELAMEN_ASSIGN(o.warmup_steps, json.integer("warmup_steps"));
    VELAMEN_ASSIGN(o.final_fraction, json.number("final_fraction"));
    VELAMEN_ASSIGN(o.ema_decay, json.number("ema_decay"));
    VELAMEN_ASSIGN(o.clipping, json.text_or("clipping", "flat"));
    VELAMEN_ASSIGN(o.clipping_norm, json.number("clipping_norm"));
    VELAMEN_ASSIGN(o.class_dropout, json.number("class_dropout"));
    VELAMEN_ASSIGN(o.warm_start_steps, json.integer_or("warm_start_steps", 200));
    VELAMEN_ASSIGN(o.noise_multiplicity, json.integer("noise_multiplicity"));
    VELAMEN_ASSIGN(o.public_batch, json.integer_or("public_batch", 0));
    VELAMEN_ASSIGN(o.public_weight, json.number_or("public_weight", 1.0));
    return o;
}

} // namespace

Json TrainingPlan::to_json() const
{
    Json json = Json::object();
    json["schema"] = kSchema;
    json["checkpoint"] = checkpoint.string();
    json["source"] = source.string();
    json["keys"]["label"] = keys.label;
    json["keys"]["unit"] = keys.unit;
    json["public_source"] = public_source.string();
    json["classes"] = names(classes);
    json["selection"] = selection;
    json["train_conditioner"] = train_conditioner;
    if (!caption.empty()) json["caption"] = caption;
    if (image_size > 0) json["image_size"] = image_size;
    json["skip_dead"] = skip_dead;
    json["privacy"] = privacy_json(privacy);
    json["optimiser"] = optimiser_json(optimiser);
    json["precision"] = precision;
    json["micro_batch"] = micro_batch;
    json["memory_limit"] = memory_limit;
    json["sample_every"] = sample_every;
    json["preview_seed"] = preview_seed;
    json["preview_guidance"] = preview_guidance;
    json["reproducible"] = reproducible;
    return json;
}

Result<TrainingPlan> TrainingPlan::from_json(const Json& json)
{
    VELAMEN_ASSIGN(const std::int64_t schema, json.integer("schema"));
    if (schema != kSchema)
        return fail(ErrorCode::Unsupported,
                    "the plan has schema " + std::to_string(schema) + ", this program reads "
                        + std::to_string(kSchema),
                    "use the version of Velamen that wrote it, or make the plan anew");
    TrainingPlan plan;
    VELAMEN_ASSIGN(plan.checkpoint, json.text("checkpoint"));
    VELAMEN_ASSIGN(plan.source, json.text("source"));
    if (const Json* keys = json.find("keys")) {
        VELAMEN_ASSIGN(plan.keys.label, keys->text("label"));
        VELAMEN_ASSIGN(plan.keys.unit, keys->text("unit"));
    }
    VELAMEN_ASSIGN(plan.public_source, json.text_or("public_source", ""));
    VELAMEN_ASSIGN(plan.classes, json.texts("classes"));
    VELAMEN_ASSIGN(plan.selection, json.text("selection"));
    VELAMEN_ASSIGN(plan.train_conditioner, json.flag_or("train_conditioner", true));
    VELAMEN_ASSIGN(plan.caption, json.text_or("caption", ""));
    VELAMEN_ASSIGN(plan.image_size, json.integer_or("image_size", 0));
    VELAMEN_ASSIGN(plan.skip_dead, json.flag("skip_dead"));
    const Json* privacy = json.find("privacy");
    const Json* optimiser = json.find("optimiser");
    if (privacy == nullptr || optimiser == nullptr)
        return fail(ErrorCode::Corrupt, "the plan lacks \"privacy\" or \"optimiser\"");
    VELAMEN_ASSIGN(plan.privacy, privacy_from(*privacy));
    VELAMEN_ASSIGN(plan.optimiser, optimiser_from(*optimiser));
    VELAMEN_ASSIGN(plan.precision, json.text_or("precision", "fp32"));
    VELAMEN_ASSIGN(plan.micro_batch, json.integer("micro_batch"));
    VELAMEN_ASSIGN(plan.memory_limit, json.number_or("memory_limit", 0.0));
    VELAMEN_ASSIGN(plan.sample_every, json.integer("sample_every"));
    VELAMEN_ASSIGN(plan.preview_seed, json.integer("preview_seed"));
    VELAMEN_ASSIGN(plan.preview_guidance, json.number("preview_guidance"));
    VELAMEN_ASSIGN(plan.reproducible, json.flag("reproducible"));
    VELAMEN_TRY(check_plan(plan));
    return plan;
}

} // namespace velamen::train
