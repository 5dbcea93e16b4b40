// SPDX-License-Identifier: GPL-3.0-or-later
//
// Keys are spelled as in plan.json where they mean the same.

#include "ui/models/request_json.h"

#include <string>

namespace velamen::ui {

namespace {

void addMethod(io::Json& json, const train::PlanRequest& request)
{
    io::Json& keys = json["keys"];
    keys["label"] = request.keys.label;
    keys["unit"] = request.keys.unit;
    json["unit"] = request.unit;
    json["images_per_unit"] = request.images_per_unit;
    json["noise_multiplicity"] = request.noise_multiplicity;
    json["train_conditioner"] = request.train_conditioner;
    json["caption"] = request.caption;
    json["image_size"] = request.image_size;
    json["release_clipped_fraction"] = request.release_clipped_fraction;
    json["hardened"] = request.hardened;
    json["warm_start"] = request.warm_start;
    json["class_votes"] = request.class_votes;
    json["rule"] = request.rule;
    json["clipping"] = request.clipping;
    json["precision"] = request.precision;
    json["memory_limit"] = request.memory_limit;
    json["public_source"] = request.public_source.string();
    json["public_batch"] = request.public_batch;
}

void readFlag(const io::Json& json, const char* key, bool& value)
{
    const io::Json* found = json.find(key);
    if (found && found->if_bool()) value = *found->if_bool();
}

void readText(const io::Json& json, const char* key, std::string& value)
{
    value = json.text_or(key, value).value_or(value);
}

void readInteger(const io::Json& json, const char* key, std::int64_t& value)
{
    value = json.integer_or(key, value).value_or(value);
}

void readMethod(const io::Json& json, train::PlanRequest& request)
{
    if (const io::Json* keys = json.find("keys")) {
        readText(*keys, "label", request.keys.label);
        readText(*keys, "unit", request.keys.unit);
    }
    readText(json, "unit", request.unit);
    readInteger(json, "images_per_unit", request.images_per_unit);
    readInteger(json, "noise_multiplicity", request.noise_multiplicity);
    readFlag(json, "train_conditioner", request.train_conditioner);
    readText(json, "caption", request.caption);
    readInteger(json, "image_size", request.image_size);
    readFlag(json, "release_clipped_fraction", request.release_clipped_fraction);
    readFlag(json, "hardened", request.hardened);
    readFlag(json, "warm_start", request.warm_start);
    readFlag(json, "class_votes", request.class_votes);
    readText(json, "rule", request.rule);
    readText(json, "clipping", request.clipping);
    readText(json, "precision", request.precision);
    request.memory_limit =
        json.number_or("memory_limit", request.memory_limit).value_or(request.memory_limit);
    std::string folder;
    readText(json, "public_source", folder);
    request.public_source = folder;
    readInteger(json, "public_batch", request.public_batch);
}

} // namespace

io::Json toJson(const Draft& draft)
{
    io::Json json = io::Json::object();
    json["epsilon"] = draft.request.epsilon;
    json["delta"] = draft.request.delta;
    json["neighbours"] = privacy::name_of(draft.request.neighbours);
    // Under zero-out the number comes from the scan each time; it is not copied around.
    if (draft.request.neighbours == privacy::Neighbours::AddRemove)
        json["public_units"] = draft.request.public_units;
    json["expected_batch"] = draft.request.expected_batch;
    json["steps"] = draft.request.steps;
    json["selection"] = draft.request.selection;
    addMethod(json, draft.request);
    json["unit_key"] = draft.unitKey;
    if (draft.unitsArePublic) json["units_are_public"] = *draft.unitsArePublic;
    io::Json& generation = json["generation"];
    generation["seed"] = std::to_string(draft.generation.seed); // 64 bits, unsigned
    generation["guidance"] = draft.generation.guidance;
    generation["steps"] = draft.generation.steps;
    generation["eta"] = draft.generation.eta;
    generation["sampler"] = std::string(generate::name_of(draft.generation.sampler));
    return json;
}

Draft draftFrom(const io::Json& json)
{
    Draft draft;
    auto& request = draft.request;
    request.epsilon = json.number_or("epsilon", request.epsilon).value_or(request.epsilon);
    request.delta = json.number_or("delta", request.delta).value_or(request.delta);
    if (json.text_or("neighbours", "").value_or("")
        == privacy::name_of(privacy::Neighbours::AddRemove)) {
        request.neighbours = privacy::Neighbours::AddRemove;
        request.public_units = json.integer_or("public_units", 0).value_or(0);
    }
    request.expected_batch = json.integer_or("expected_batch", 0).value_or(0);
    request.steps = json.integer_or("steps", 0).value_or(0);
    request.selection = json.text_or("selection", request.selection).value_or(request.selection);
    readMethod(json, request);
    readText(json, "unit_key", draft.unitKey);
    if (const io::Json* answer = json.find("units_are_public"); answer && answer->if_bool())
        draft.unitsArePublic = *answer->if_bool();
    if (const io::Json* saved = json.find("generation")) {
        auto& generation = draft.generation;
        try {
            generation.seed = std::stoull(saved->text_or("seed", "0").value_or("0"));
        } catch (const std::exception&) {
            generation.seed = 0;
        }
        generation.guidance =
            saved->number_or("guidance", generation.guidance).value_or(generation.guidance);
        generation.steps =
            static_cast<int>(saved->integer_or("steps", generation.steps).value_or(20));
        generation.eta = saved->number_or("eta", generation.eta).value_or(generation.eta);
        generation.sampler = generate::sampler_of(saved->text_or("sampler", "").value_or(""))
                                 .value_or(generation.sampler);
    }
    return draft;
}

} // namespace velamen::ui
