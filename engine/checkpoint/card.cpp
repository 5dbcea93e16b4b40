// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading, writing and checking velamen.json.

#include "engine/checkpoint/card.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace velamen::checkpoint {

namespace {

constexpr std::array kKnownKeys{"format",          "name",        "licence",     "data",
                                "recipe",          "classes",     "latent_mean", "latent_std",
                                "trained_tensors", "base_sha256", "ledger_id",   "ledger_seq",
                                "ledger_hash",     "caption",     "image_size"};

Result<std::vector<double>> read_numbers(const io::Json& json, const char* key)
{
    std::vector<double> out;
    const io::Json* member = json.find(key);
    if (member == nullptr) return out;
    const auto* items = member->if_array();
    if (items == nullptr)
        return fail(ErrorCode::Corrupt, std::string(key) + " in velamen.json is not a list");
    for (const io::Json& item : *items) {
        io::Json holder = io::Json::object();
        holder[key] = item;
        VELAMEN_ASSIGN(const double value, holder.number(key));
        out.push_back(value);
    }
    return out;
}

Result<std::vector<std::string>> read_texts(const io::Json& json, const char* key)
{
    if (json.find(key) == nullptr) return std::vector<std::string>{};
    return json.texts(key);
}

io::Json::Array to_array(const auto& values)
{
    return io::Json::Array(values.begin(), values.end());
}

} // namespace

Result<Card> card_from_json(const io::Json& json)
{
    const auto* members = json.if_object();
    if (members == nullptr) return fail(ErrorCode::Corrupt, "velamen.json is not an object");
    Card card;
    VELAMEN_ASSIGN(card.name, json.text_or("name", ""));
    VELAMEN_ASSIGN(card.licence, json.text_or("licence", ""));
    VELAMEN_ASSIGN(card.data, json.text_or("data", ""));
    VELAMEN_ASSIGN(card.recipe, json.text_or("recipe", ""));
    VELAMEN_ASSIGN(card.classes, read_texts(json, "classes"));
    VELAMEN_ASSIGN(card.caption, json.text_or("caption", ""));
    VELAMEN_ASSIGN(card.image_size, json.integer_or("image_size", 0));
    VELAMEN_ASSIGN(card.latent_mean, read_numbers(json, "latent_mean"));
    VELAMEN_ASSIGN(card.latent_std, read_numbers(json, "latent_std"));
    VELAMEN_ASSIGN(card.trained_tensors, read_texts(json, "trained_tensors"));
    VELAMEN_ASSIGN(card.base_sha256, json.text_or("base_sha256", ""));
    VELAMEN_ASSIGN(card.ledger_id, json.text_or("ledger_id", ""));
    VELAMEN_ASSIGN(card.ledger_seq, json.integer_or("ledger_seq", -1));
    VELAMEN_ASSIGN(card.ledger_hash, json.text_or("ledger_hash", ""));
    for (const auto& [key, value] : *members)
        if (std::ranges::find(kKnownKeys, key) == kKnownKeys.end()) card.extra[key] = value;
    return card;
}

io::Json card_to_json(const Card& card)
{
    io::Json out = io::Json::object();
    out["format"] = 1;
    out["name"] = card.name;
    out["licence"] = card.licence;
    out["data"] = card.data;
    out["recipe"] = card.recipe;
    out["classes"] = to_array(card.classes);
    if (!card.caption.empty()) out["caption"] = card.caption;
    if (card.image_size > 0) out["image_size"] = card.image_size;
    out["latent_mean"] = to_array(card.latent_mean);
    out["latent_std"] = to_array(card.latent_std);
    if (!card.trained_tensors.empty() || !card.base_sha256.empty()) {
        out["trained_tensors"] = to_array(card.trained_tensors);
        out["base_sha256"] = card.base_sha256;
    }
    if (card.ledger_seq >= 0) {
        out["ledger_id"] = card.ledger_id;
        out["ledger_seq"] = card.ledger_seq;
        out["ledger_hash"] = card.ledger_hash;
    }
    if (const auto* extra = card.extra.if_object())
        for (const auto& [key, value] : *extra)
            if (std::ranges::find(kKnownKeys, key) == kKnownKeys.end()) out[key] = value;
    return out;
}

std::vector<std::string> card_problems(const Card& card, std::int64_t class_rows,
                                       std::int64_t latent_channels, std::int64_t latent_size)
{
    std::vector<std::string> out;
    if (class_rows > 0 && static_cast<std::int64_t>(card.classes.size()) + 1 != class_rows)
        out.push_back("velamen.json names " + std::to_string(card.classes.size())
                      + " classes, but the class table has " + std::to_string(class_rows)
                      + " rows (one per class and the null class)");
    const auto fits = [&](const std::vector<double>& values) {
        const auto size = static_cast<std::int64_t>(values.size());
        return size == 0 || size == latent_channels
            || size == latent_channels * latent_size * latent_size;
    };
    if (!fits(card.latent_mean) || !fits(card.latent_std)
        || card.latent_mean.size() != card.latent_std.size())
        out.push_back("latent_mean and latent_std in velamen.json need one value per latent channel"
                      " or per latent element");
    if (std::ranges::any_of(card.latent_mean, [](double v) { return !std::isfinite(v); })
        || std::ranges::any_of(card.latent_std,
                               [](double v) { return !(std::isfinite(v) && v > 0.0); }))
        out.push_back(
            "latent_mean and latent_std in velamen.json must be finite, and std positive");
    return out;
}

} // namespace velamen::checkpoint
