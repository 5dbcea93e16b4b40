// SPDX-License-Identifier: GPL-3.0-or-later
//
// audit: does the engine protect as much as it claims? Canaries only; no private image is read.

#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "engine/evaluate/engine_audit.h"

namespace velamen::app {

namespace {

int auditEngine(const evaluate::EngineAudit& audit, const Output& output)
{
    const auto verdict = evaluate::audit_engine(audit);
    if (!verdict) return output.fail(verdict.error());
    const auto correlation = evaluate::noise_correlation(audit);
    if (!correlation) return output.fail(correlation.error());
    const double limit = 5.0 / std::sqrt(static_cast<double>(audit.canaries));
    const bool isFresh = std::abs(*correlation) <= limit;
    const bool passed = !verdict->is_refuted() && isFresh;

    io::Json json = io::Json::object();
    json["canaries"] = audit.canaries;
    json["guessed"] = verdict->guesses.guessed;
    json["correct"] = verdict->guesses.correct;
    json["images"] = audit.images;
    json["draws"] = audit.draws;
    json["noise"] = audit.noise;
    json["delta"] = audit.delta;
    json["significance"] = audit.significance;
    json["epsilon_claimed"] = verdict->claimed;
    json["epsilon_refuted"] = verdict->refuted;
    json["noise_correlation"] = *correlation;
    json["passed"] = passed;
    output.answer(json);
    output.line(fmt::format("{} of {} guesses about {} canaries are right",
                            verdict->guesses.correct, verdict->guesses.guessed, audit.canaries));
    output.line(
        fmt::format("the step claims epsilon {:.4f} at delta {:g}; the guesses refute every "
                    "claim below {:.4f}",
                    verdict->claimed, audit.delta, verdict->refuted));
    output.line(fmt::format("noise of two steps correlates by {:+.5f} (fresh: within {:.5f})",
                            *correlation, limit));
    output.line(passed ? "passed" : "NOT PASSED: the engine protects less than it claims");
    return passed ? Ok : Refused;
}

} // namespace

void addAudit(CLI::App& app, Context& context)
{
    auto* command = app.add_subcommand("audit", "Attack the engine's own private step");
    auto o = std::make_shared<evaluate::EngineAudit>();
    auto isEngine = std::make_shared<bool>(false);
    command->add_flag("--engine", *isEngine, "One step on gradient canaries (the only audit yet)")
        ->required();
    command->add_option("--canaries", o->canaries, "Units, each in or out by a coin")
        ->capture_default_str();
    command->add_option("--guesses", o->guesses, "Guesses, the surest of both kinds")
        ->capture_default_str();
    command->add_option("--images", o->images, "Images of each unit")->capture_default_str();
    command->add_option("--draws", o->draws, "Noise draws of each image")->capture_default_str();
    command->add_option("--noise", o->noise, "Claimed noise multiplier")->capture_default_str();
    command->add_option("--delta", o->delta, "Delta of the claim")->capture_default_str();
    command->add_option("--significance", o->significance, "Chance of accusing an honest step")
        ->capture_default_str();
    command->callback(
        [o, isEngine, &context] { context.exitCode = auditEngine(*o, context.output()); });
}

} // namespace velamen::app
