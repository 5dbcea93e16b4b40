// SPDX-License-Identifier: GPL-3.0-or-later
//
// The certificate as JSON and back, and the numbers of it that follow from the ledger.

#include "engine/release/certificate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "engine/privacy/composition.h"
#include "engine/release/bundle.h"

namespace velamen::release {

namespace {

using io::Json;

constexpr std::int64_t kVersion = 1;
constexpr double kFalsePositives = 0.01;
constexpr std::int64_t kMostImages = 1'000'000'000'000;
constexpr const char* kAccountant = "privacy loss distribution, connect the dots";
constexpr const char* kCrossCheck = "Renyi divergence";
constexpr double kGrid = 1e-4;
constexpr const char* kSampler = "Poisson";
constexpr const char* kRandomness =
    "ChaCha20 keyed by the operating system; Gaussian noise in floating point";
constexpr const char* kHardenedRandomness =
    "ChaCha20 keyed by the operating system; exact discrete Gaussian noise on an integer grid";

Json texts(const std::vector<std::string>& values)
{
    return Json(Json::Array(values.begin(), values.end()));
}

Json optional_number(const std::optional<double>& value)
{
    return value && std::isfinite(*value) ? Json(*value) : Json();
}

/// A part of the certificate that must be there.
Result<Json> part(const Json& json, std::string_view key)
{
    const Json* member = json.find(key);
    if (member == nullptr || !member->is_object())
        return fail(ErrorCode::Corrupt, "\"" + std::string(key) + "\" is missing");
    return *member;
}

/// null stands for infinity.
Result<double> bound(const Json& json, std::string_view key)
{
    const Json* member = json.find(key);
    if (member != nullptr && member->is_null()) return std::numeric_limits<double>::infinity();
    return json.number(key);
}

Json epsilon_json(const Certificate& c)
{
    Json json = Json::object();
    json["certified"] = c.epsilon;
    json["spent"] = c.spent.epsilon;
    json["planned"] = c.spent.planned;
    json["rdp"] = c.spent.rdp;
    json["rdp_order"] = c.spent.rdp_order;
    json["dataset"] = optional_number(c.spent.dataset);
    json["dataset_runs"] = c.spent.runs;
    json["no_amplification"] = c.spent.no_amplification;
    return json;
}

Json mechanism_json(const Certificate& c)
{
    Json json = Json::object();
    json["sampler"] = kSampler;
    json["rate"] = c.rate;
    json["steps"] = c.spent.steps;
    json["planned_steps"] = c.planned_steps;
    json["expected_batch"] = c.expected_batch;
    json["clipping_norm"] = c.clipping_norm;
    json["noise_effective"] = c.noise_effective;
    json["noise_gradient"] = c.noise_gradient;
    json["noise_loss"] = optional_number(c.noise_loss);
    json["noise_clipped"] = optional_number(c.noise_clipped);
    json["images_per_unit"] = c.images_per_unit;
    json["noise_multiplicity"] = c.noise_multiplicity;
    json["randomness"] = c.is_hardened ? kHardenedRandomness : kRandomness;
    json["hardened"] = c.is_hardened;
    json["releases_beside_training"] = c.spent.releases;
    json["reproducible"] = c.is_reproducible;
    return json;
}

Json training_json(const Certificate& c)
{
    Json json = Json::object();
    json["selection"] = c.selection;
    json["trained_parameters"] = c.trained_parameters;
    json["total_parameters"] = c.total_parameters;
    json["tensor_count"] = c.trained_tensors.size();
    json["tensors"] = texts(c.trained_tensors);
    json["tuned_sha256"] = c.tuned_sha256;
    json["selected_with_private_data"] = c.is_selected_with_private_data;
    return json;
}

Json words_json(const Words& words)
{
    Json json = Json::object();
    json["status"] = words.status;
    json["statement"] = words.statement;
    json["odds"] = words.odds;
    json["failure"] = words.failure;
    json["strength"] = words.strength;
    json["attacker"] = words.attacker;
    json["covered"] = texts(words.covered);
    json["not_covered"] = texts(words.not_covered);
    return json;
}

} // namespace

std::string software_name() { return "Velamen " VELAMEN_VERSION; }

std::string exact_text(double number)
{
    return std::isfinite(number) ? Json(number).dump() : "unbounded";
}

Result<Spent> spent_of(std::span<const privacy::LedgerEntry> entries, const std::string& run,
                       privacy::Delta delta, std::int64_t planned_steps)
{
    VELAMEN_ASSIGN(const auto spendings, privacy::spendings_of(entries, run));
    if (run.empty() || spendings.empty())
        return fail(ErrorCode::Refused, "the ledger has no entry of run " + run,
                    "release the run together with the ledger that it was charged to");
    Spent spent;
    VELAMEN_ASSIGN(const privacy::Bound bound, privacy::bound_of(spendings, delta));
    spent.epsilon = bound.epsilon.value();
    spent.rdp = bound.rdp.epsilon.value();
    spent.rdp_order = bound.rdp.order;
    spent.is_renyi_only = bound.is_renyi_only;
    const privacy::LedgerEvent* training = nullptr;
    for (const privacy::LedgerEntry& entry : entries) {
        if (entry.run != run) continue;
        const bool is_training = std::holds_alternative<privacy::TrainingSteps>(entry.event);
        (is_training ? spent.steps : spent.releases) += privacy::times_of(entry.event);
        if (is_training && training == nullptr) training = &entry.event;
    }
    if (training == nullptr)
        return fail(ErrorCode::Refused, "the ledger has no training step of run " + run,
                    "release a run that has taken a step");

    // A plan has one kind of step; its missing steps are counted as if they had been taken.
    std::vector<privacy::Spending> plan = spendings;
    spent.planned = spent.epsilon;
    if (planned_steps > spent.steps) {
        VELAMEN_ASSIGN(const privacy::Event step, privacy::event_of(*training));
        auto& steps = std::ranges::find(plan, step, &privacy::Spending::event)->times;
        VELAMEN_ASSIGN(steps, privacy::Steps::create(steps.value() + planned_steps - spent.steps));
        VELAMEN_ASSIGN(const privacy::Bound planned, privacy::bound_of(plan, delta));
        spent.planned = planned.epsilon.value();
    }
    VELAMEN_ASSIGN(const privacy::Bound open,
                   privacy::bound_of(privacy::without_sampling(plan), delta));
    // After less than an epoch it can be the smaller number, which would be no caution.
    spent.no_amplification = std::max(open.epsilon.value(), spent.planned);
    VELAMEN_ASSIGN(spent.attacker_rate, privacy::attacker_rate(plan, kFalsePositives));

    std::set<std::string> runs;
    for (const privacy::LedgerEntry& entry : entries)
        runs.insert(entry.run);
    spent.runs = static_cast<std::int64_t>(runs.size());
    if (spent.runs == 1) {
        spent.dataset = spent.epsilon;
    } else if (const auto all = privacy::spendings_of(entries)) {
        VELAMEN_ASSIGN(const privacy::Bound total, privacy::bound_of(*all, delta));
        spent.dataset = total.epsilon.value();
    }
    return spent;
}

std::string status_of(const Certificate& certificate)
{
    const double most = std::max(certificate.spent.epsilon, certificate.spent.planned);
    if (certificate.is_reproducible || most > certificate.epsilon * (1.0 + 1e-9)) return "Void";
    return certificate.spent.steps < certificate.planned_steps ? "Incomplete" : "Valid";
}

Json to_json(const Certificate& c)
{
    Json base = Json::object();
    base["name"] = c.base_name;
    base["licence"] = c.base_licence;
    base["data"] = c.base_data;
    base["sha256"] = c.base_sha256;

    Json accountant = Json::object();
    accountant["name"] = c.spent.is_renyi_only ? kCrossCheck : kAccountant;
    accountant["grid"] = c.spent.is_renyi_only ? Json() : Json(kGrid);
    accountant["cross_check"] = c.spent.is_renyi_only ? Json() : Json(kCrossCheck);

    Json attacker = Json::object();
    attacker["false_positive_rate"] = kFalsePositives;
    attacker["true_positive_rate"] = c.spent.attacker_rate;

    Json per_class = Json::object();
    std::int64_t total = 0;
    for (const auto& [name, count] : c.images) {
        per_class[name] = count;
        total += count;
    }
    Json images = Json::object();
    images["total"] = total;
    images["per_class"] = std::move(per_class);
    images["manifest_sha256"] = c.manifest_sha256;
    images["digital_source_type"] = kSourceType;
    images["c2pa_action"] = "c2pa.created";

    Json ledger = Json::object();
    ledger["seq"] = c.ledger.seq;
    ledger["head"] = c.ledger.hash;

    Json json = Json::object();
    json["format"] = "velamen-certificate";
    json["version"] = kVersion;
    json["software"] = c.software;
    json["status"] = c.status;
    json["run"] = c.run;
    json["unit"] = c.unit;
    json["unit_key"] = c.unit_key;
    json["neighbours"] = privacy::name_of(c.neighbours);
    json["public_units"] = c.public_units ? Json(*c.public_units) : Json();
    json["delta"] = c.delta;
    json["epsilon"] = epsilon_json(c);
    json["accountant"] = std::move(accountant);
    json["attacker"] = std::move(attacker);
    json["mechanism"] = mechanism_json(c);
    json["training"] = training_json(c);
    json["base"] = std::move(base);
    json["classes"] = texts(c.classes);
    json["images"] = std::move(images);
    json["ledger"] = std::move(ledger);
    json["words"] = words_json(words_of(c));
    return json;
}

Result<Certificate> certificate_from(const Json& json)
{
    Certificate c;
    VELAMEN_ASSIGN(const std::string format, json.text("format"));
    if (format != "velamen-certificate")
        return fail(ErrorCode::Corrupt, "it is not a certificate of Velamen");
    VELAMEN_ASSIGN(const std::int64_t version, json.integer("version"));
    if (version != kVersion)
        return fail(ErrorCode::Unsupported,
                    "its version " + std::to_string(version) + " is unknown", "update Velamen");
    VELAMEN_ASSIGN(c.software, json.text("software"));
    VELAMEN_ASSIGN(c.status, json.text("status"));
    VELAMEN_ASSIGN(c.run, json.text("run"));
    VELAMEN_ASSIGN(c.unit, json.text("unit"));
    VELAMEN_ASSIGN(c.unit_key, json.text_or("unit_key", "file"));
    VELAMEN_ASSIGN(const std::string neighbours, json.text("neighbours"));
    VELAMEN_ASSIGN(c.neighbours, privacy::neighbours_of(neighbours));
    if (const Json* units = json.find("public_units"); units != nullptr && !units->is_null()) {
        VELAMEN_ASSIGN(c.public_units, json.integer("public_units"));
    }
    VELAMEN_ASSIGN(c.delta, json.number("delta"));

    VELAMEN_ASSIGN(const Json epsilon, part(json, "epsilon"));
    VELAMEN_ASSIGN(c.epsilon, bound(epsilon, "certified"));
    VELAMEN_ASSIGN(c.spent.epsilon, bound(epsilon, "spent"));
    VELAMEN_ASSIGN(c.spent.planned, bound(epsilon, "planned"));
    VELAMEN_ASSIGN(c.spent.rdp, bound(epsilon, "rdp"));
    VELAMEN_ASSIGN(c.spent.rdp_order, bound(epsilon, "rdp_order"));
    if (const Json* total = epsilon.find("dataset"); total != nullptr && !total->is_null()) {
        VELAMEN_ASSIGN(c.spent.dataset, epsilon.number("dataset"));
    }
    VELAMEN_ASSIGN(c.spent.runs, epsilon.integer("dataset_runs"));
    VELAMEN_ASSIGN(c.spent.no_amplification, bound(epsilon, "no_amplification"));
    VELAMEN_ASSIGN(const Json accountant, part(json, "accountant"));
    VELAMEN_ASSIGN(const std::string accountant_name, accountant.text("name"));
    c.spent.is_renyi_only = accountant_name == kCrossCheck;
    VELAMEN_ASSIGN(const Json attacker, part(json, "attacker"));
    VELAMEN_ASSIGN(c.spent.attacker_rate, attacker.number("true_positive_rate"));

    VELAMEN_ASSIGN(const Json mechanism, part(json, "mechanism"));
    VELAMEN_ASSIGN(c.rate, mechanism.number("rate"));
    VELAMEN_ASSIGN(c.spent.steps, mechanism.integer("steps"));
    VELAMEN_ASSIGN(c.planned_steps, mechanism.integer("planned_steps"));
    VELAMEN_ASSIGN(c.expected_batch, mechanism.integer("expected_batch"));
    VELAMEN_ASSIGN(c.clipping_norm, mechanism.number("clipping_norm"));
    VELAMEN_ASSIGN(c.noise_effective, mechanism.number("noise_effective"));
    VELAMEN_ASSIGN(c.noise_gradient, mechanism.number("noise_gradient"));
    if (const Json* loss = mechanism.find("noise_loss"); loss != nullptr && !loss->is_null()) {
        VELAMEN_ASSIGN(c.noise_loss, mechanism.number("noise_loss"));
    }
    if (const Json* known = mechanism.find("noise_clipped");
        known != nullptr && !known->is_null()) {
        VELAMEN_ASSIGN(c.noise_clipped, mechanism.number("noise_clipped"));
    }
    VELAMEN_ASSIGN(c.is_hardened, mechanism.flag("hardened"));
    VELAMEN_ASSIGN(c.spent.releases, mechanism.integer("releases_beside_training"));
    VELAMEN_ASSIGN(c.images_per_unit, mechanism.integer_or("images_per_unit", 1));
    VELAMEN_ASSIGN(c.noise_multiplicity, mechanism.integer("noise_multiplicity"));
    VELAMEN_ASSIGN(c.is_reproducible, mechanism.flag("reproducible"));

    VELAMEN_ASSIGN(const Json training, part(json, "training"));
    VELAMEN_ASSIGN(c.selection, training.text("selection"));
    VELAMEN_ASSIGN(c.trained_tensors, training.texts("tensors"));
    VELAMEN_ASSIGN(c.trained_parameters, training.integer("trained_parameters"));
    VELAMEN_ASSIGN(c.total_parameters, training.integer("total_parameters"));
    VELAMEN_ASSIGN(c.tuned_sha256, training.text("tuned_sha256"));
    VELAMEN_ASSIGN(c.is_selected_with_private_data, training.flag("selected_with_private_data"));

    VELAMEN_ASSIGN(const Json base, part(json, "base"));
    VELAMEN_ASSIGN(c.base_name, base.text("name"));
    VELAMEN_ASSIGN(c.base_licence, base.text("licence"));
    VELAMEN_ASSIGN(c.base_data, base.text("data"));
    VELAMEN_ASSIGN(c.base_sha256, base.text("sha256"));

    VELAMEN_ASSIGN(c.classes, json.texts("classes"));
    VELAMEN_ASSIGN(const Json images, part(json, "images"));
    VELAMEN_ASSIGN(const Json per_class, part(images, "per_class"));
    std::int64_t total = 0;
    for (const auto& [name, count] : *per_class.if_object()) {
        VELAMEN_ASSIGN(const std::int64_t number, per_class.integer(name));
        if (number < 0 || number > kMostImages - total)
            return fail(ErrorCode::Corrupt, "the numbers of images are out of range");
        total += number;
        c.images.emplace_back(name, number);
    }
    VELAMEN_ASSIGN(c.manifest_sha256, images.text("manifest_sha256"));
    VELAMEN_ASSIGN(const Json ledger, part(json, "ledger"));
    VELAMEN_ASSIGN(c.ledger.seq, ledger.integer("seq"));
    VELAMEN_ASSIGN(c.ledger.hash, ledger.text("head"));
    return c;
}

} // namespace velamen::release
