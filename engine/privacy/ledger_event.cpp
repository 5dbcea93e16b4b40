// SPDX-License-Identifier: GPL-3.0-or-later
//
// Rules of ledger events, and their form in a line.

#include "engine/privacy/ledger_event.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/privacy/composition.h"
#include "engine/privacy/ledger_line.h"
#include "engine/privacy/overloaded.h"

namespace velamen::privacy {

namespace {

using io::Json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::string_view kSteps = "poisson_subsampled_gaussian";
constexpr std::string_view kHardenedSteps = "poisson_subsampled_discrete_gaussian";
constexpr std::string_view kCappedSteps = "truncated_poisson_subsampled_gaussian";
constexpr std::string_view kGaussian = "gaussian";
constexpr std::string_view kLaplace = "laplace";
constexpr std::string_view kGuarantee = "guarantee";
constexpr std::string_view kBestOfRuns = "best_of_runs";

tl::unexpected<Error> refuse(const std::string& what)
{
    return fail(ErrorCode::InvalidArgument, what);
}

Result<std::optional<NoiseMultiplier>> noise_of(const std::optional<double>& value)
{
    if (!value) return std::optional<NoiseMultiplier>();
    VELAMEN_ASSIGN(const auto noise, NoiseMultiplier::create(*value));
    return std::optional<NoiseMultiplier>(noise);
}

Result<Event> event_of(const TrainingSteps& event)
{
    VELAMEN_ASSIGN(const auto rate, SamplingRate::create(event.rate));
    VELAMEN_ASSIGN(const auto noise, NoiseMultiplier::create(event.noise_effective));
    const SubsampledGaussian step{rate, noise};
    if (event.is_hardened) return Event(SubsampledDiscreteGaussian{step});
    if (event.cap) return Event(CappedGaussian{step, event.cap->units, event.cap->cap});
    return Event(step);
}

Result<> check(const TrainingSteps& event)
{
    StepNoise parts{NoiseMultiplier::literal(1.0)};
    VELAMEN_ASSIGN(parts.gradient, NoiseMultiplier::create(event.noise_gradient));
    VELAMEN_ASSIGN(parts.loss, noise_of(event.noise_loss));
    VELAMEN_ASSIGN(parts.clipped_fraction, noise_of(event.noise_clipped));
    if (event.noise_effective > joint_noise(parts).value())
        return refuse("the effective noise is larger than what its parts give");
    if (event.is_hardened && event.cap) return refuse("a hardened draw has no cap");
    return {};
}

Result<> check(const NoisyRelease& release)
{
    if (!is_plain_name(release.purpose))
        return refuse("the purpose of a release must be 1 to 64 letters, digits, \"_\" or \"-\"");
    const auto* gaussian = std::get_if<SubsampledGaussian>(&release.event);
    if (gaussian != nullptr && gaussian->rate.value() != 1.0)
        return refuse("a release beside training is not sampled");
    if (std::holds_alternative<SubsampledDiscreteGaussian>(release.event)
        || std::holds_alternative<CappedGaussian>(release.event))
        return refuse("steps of training are no release beside it");
    if (const auto* known = std::get_if<Guarantee>(&release.event);
        known != nullptr && !std::isfinite(known->epsilon.value()))
        return refuse("the epsilon of a guarantee must be finite");
    return {};
}

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json::Object fields_of(const TrainingSteps& event)
{
    Json::Object out;
    out.emplace_back("rate", event.rate);
    out.emplace_back("noise_gradient", event.noise_gradient);
    out.emplace_back("noise_loss", optional_json(event.noise_loss));
    if (event.noise_clipped) out.emplace_back("noise_clipped", *event.noise_clipped);
    out.emplace_back("noise_effective", event.noise_effective);
    if (event.cap) {
        out.emplace_back("units", event.cap->units);
        out.emplace_back("cap", event.cap->cap);
    }
    out.emplace_back("steps", event.steps);
    return out;
}

Json::Object fields_of(const NoisyRelease& release)
{
    Json::Object out;
    out.emplace_back("purpose", release.purpose);
    std::visit(Overloaded{
                   [&](const SubsampledGaussian& e) { out.emplace_back("noise", e.noise.value()); },
                   [&](const LaplaceNoise& e) { out.emplace_back("scale", e.scale.value()); },
                   [&](const Guarantee& e) {
                       out.emplace_back("epsilon", e.epsilon.value());
                       out.emplace_back("delta", e.delta);
                   },
                   [&](const BestOfRuns& e) {
                       out.emplace_back("mean", e.repeats.mean);
                       out.emplace_back("shape",
                                        std::isfinite(e.repeats.shape) ? Json(e.repeats.shape)
                                                                       : Json());
                       out.emplace_back("rate", e.step.rate.value());
                       out.emplace_back("noise_effective", e.step.noise.value());
                       out.emplace_back("run_steps", e.steps.value());
                   },
                   [](const SubsampledDiscreteGaussian&) {},
                   [](const CappedGaussian&) {},
               },
               release.event);
    out.emplace_back("steps", release.times);
    return out;
}

Result<std::optional<double>> optional_number(const Json& json, std::string_view key)
{
    const Json* member = json.find(key);
    if (member == nullptr || member->is_null()) return std::optional<double>();
    VELAMEN_ASSIGN(const double value, json.number(key));
    return std::optional<double>(value);
}

Result<LedgerEvent> training_from(const Json& json, std::string_view type)
{
    TrainingSteps event;
    event.is_hardened = type == kHardenedSteps;
    VELAMEN_ASSIGN(event.rate, json.number("rate"));
    VELAMEN_ASSIGN(event.noise_gradient, json.number("noise_gradient"));
    VELAMEN_ASSIGN(event.noise_loss, optional_number(json, "noise_loss"));
    VELAMEN_ASSIGN(event.noise_clipped, optional_number(json, "noise_clipped"));
    VELAMEN_ASSIGN(event.noise_effective, json.number("noise_effective"));
    if (type == kCappedSteps) {
        event.cap.emplace();
        VELAMEN_ASSIGN(event.cap->units, json.integer("units"));
        VELAMEN_ASSIGN(event.cap->cap, json.integer("cap"));
    }
    VELAMEN_ASSIGN(event.steps, json.integer("steps"));
    return LedgerEvent(event);
}

Result<Event> release_event_from(const Json& json, std::string_view type)
{
    if (type == kGaussian) {
        VELAMEN_ASSIGN(const double number, json.number("noise"));
        VELAMEN_ASSIGN(const auto noise, NoiseMultiplier::create(number));
        return Event(SubsampledGaussian{SamplingRate::literal(1.0), noise});
    }
    if (type == kLaplace) {
        VELAMEN_ASSIGN(const double number, json.number("scale"));
        VELAMEN_ASSIGN(const auto scale, NoiseMultiplier::create(number));
        return Event(LaplaceNoise{scale});
    }
    if (type == kGuarantee) {
        VELAMEN_ASSIGN(const double number, json.number("epsilon"));
        VELAMEN_ASSIGN(const auto epsilon, Epsilon::create(number));
        VELAMEN_ASSIGN(const double delta, json.number("delta"));
        return Event(Guarantee{epsilon, delta});
    }
    VELAMEN_ASSIGN(const double mean, json.number("mean"));
    VELAMEN_ASSIGN(const auto shape, optional_number(json, "shape"));
    VELAMEN_ASSIGN(const double sampling, json.number("rate"));
    VELAMEN_ASSIGN(const auto rate, SamplingRate::create(sampling));
    VELAMEN_ASSIGN(const double number, json.number("noise_effective"));
    VELAMEN_ASSIGN(const auto noise, NoiseMultiplier::create(number));
    VELAMEN_ASSIGN(const std::int64_t count, json.integer("run_steps"));
    VELAMEN_ASSIGN(const auto steps, Steps::create(count));
    return Event(BestOfRuns{{rate, noise}, steps, {mean, shape.value_or(kInfinity)}});
}

Result<LedgerEvent> release_from(const Json& json, std::string_view type)
{
    VELAMEN_ASSIGN(const std::string purpose, json.text("purpose"));
    VELAMEN_ASSIGN(const Event event, release_event_from(json, type));
    VELAMEN_ASSIGN(const std::int64_t times, json.integer("steps"));
    return LedgerEvent(NoisyRelease{purpose, event, times});
}

} // namespace

bool is_plain_name(std::string_view name)
{
    return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
            || c == '_' || c == '-';
    });
}

std::string type_of(const LedgerEvent& event)
{
    if (const auto* steps = std::get_if<TrainingSteps>(&event))
        return std::string(steps->is_hardened ? kHardenedSteps
                               : steps->cap   ? kCappedSteps
                                              : kSteps);
    const Event& released = std::get<NoisyRelease>(event).event;
    if (std::holds_alternative<LaplaceNoise>(released)) return std::string(kLaplace);
    if (std::holds_alternative<Guarantee>(released)) return std::string(kGuarantee);
    if (std::holds_alternative<BestOfRuns>(released)) return std::string(kBestOfRuns);
    return std::string(kGaussian);
}

std::int64_t times_of(const LedgerEvent& event)
{
    if (const auto* steps = std::get_if<TrainingSteps>(&event)) return steps->steps;
    return std::get<NoisyRelease>(event).times;
}

Result<Event> event_of(const LedgerEvent& event)
{
    if (const auto* release = std::get_if<NoisyRelease>(&event)) return release->event;
    return event_of(std::get<TrainingSteps>(event));
}

Result<> check_ledger_event(const LedgerEvent& event, Neighbours neighbours)
{
    if (const std::int64_t times = times_of(event); times < 1 || times > kMaxStepsPerLine)
        return refuse("one line reserves 1 to 32 steps, not " + std::to_string(times));
    VELAMEN_ASSIGN(const Event one, event_of(event));
    VELAMEN_TRY(check_event(one, neighbours));
    return std::visit([](const auto& known) { return check(known); }, event);
}

Json json_of(const LedgerEvent& event)
{
    Json::Object out;
    out.emplace_back("type", type_of(event));
    for (auto& field : std::visit([](const auto& known) { return fields_of(known); }, event))
        out.push_back(std::move(field));
    return Json(std::move(out));
}

Result<LedgerEvent> ledger_event_of(const Json& json)
{
    const Json* type = json.find("type");
    if (type == nullptr || type->if_string() == nullptr)
        return fail(ErrorCode::Corrupt, "its event has no type");
    const std::string& name = *type->if_string();
    const auto is_one_of = [&](auto... names) { return ((name == names) || ...); };
    Result<LedgerEvent> event =
        fail(ErrorCode::Unsupported, "the event type \"" + name.substr(0, 64) + "\" is unknown");
    if (is_one_of(kSteps, kHardenedSteps, kCappedSteps))
        event = training_from(json, name);
    else if (is_one_of(kGaussian, kLaplace, kGuarantee, kBestOfRuns))
        event = release_from(json, name);
    if (!event) return event;
    // Only what json_of() can have written: its fields, in its order, and no others.
    const Json written = json_of(*event);
    if (!std::ranges::equal(*json.if_object(), *written.if_object(), {},
                            &Json::Object::value_type::first, &Json::Object::value_type::first))
        return fail(ErrorCode::Corrupt, "the fields of its event are not those of its type");
    return event;
}

} // namespace velamen::privacy
