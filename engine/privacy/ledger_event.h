// SPDX-License-Identifier: GPL-3.0-or-later
//
// The events that a ledger line can hold. A type's name and fields are frozen: a new meaning gets a
// new type, and a program that meets a type it does not know refuses the ledger.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "engine/core/result.h"
#include "engine/privacy/events.h"

namespace velamen::privacy {

/// A draw cut to `cap` random units of `units`, both public.
struct DrawCap {
    std::int64_t units = 0;
    std::int64_t cap = 0;
    friend bool operator==(const DrawCap&, const DrawCap&) = default;
};

/// Steps of training: type [truncated_]poisson_subsampled_[discrete_]gaussian, fields {rate,
/// noise_gradient, noise_loss, noise_clipped, noise_effective, units, cap, steps}; noise_clipped,
/// units and cap only where they apply.
struct TrainingSteps {
    bool is_hardened = false; ///< discrete Gaussian on an integer grid
    double rate = 0.0;
    double noise_gradient = 0.0;
    std::optional<double> noise_loss{};    ///< absent: the loss was not released
    std::optional<double> noise_clipped{}; ///< absent: the clipped fraction was not released
    double noise_effective = 0.0;
    std::optional<DrawCap> cap{};
    std::int64_t steps = 0;
    friend bool operator==(const TrainingSteps&, const TrainingSteps&) = default;
};

/// Anything else that was released about the units: type gaussian {purpose, noise, steps}, laplace
/// {purpose, scale, steps}, guarantee {purpose, epsilon, delta, steps} or best_of_runs {purpose,
/// mean, shape, rate, noise_effective, run_steps, steps}; shape null: Poisson.
struct NoisyRelease {
    std::string purpose; ///< a public plain name, like "class_votes"
    Event event;         ///< one of the four; a Gaussian has rate 1
    std::int64_t times = 1;
    friend bool operator==(const NoisyRelease&, const NoisyRelease&) = default;
};

using LedgerEvent = std::variant<TrainingSteps, NoisyRelease>;

/// The frozen name of its type.
std::string type_of(const LedgerEvent& event);
/// Steps, or releases.
std::int64_t times_of(const LedgerEvent& event);
/// What accountants are told of one step or release. InvalidArgument as check_ledger_event().
Result<Event> event_of(const LedgerEvent& event);

/// The rules of an event: ranges, 1 to 32 steps, an effective noise that its parts give, hardened
/// draws without a cap, caps under ZeroOut. InvalidArgument naming the field.
Result<> check_ledger_event(const LedgerEvent& event, Neighbours neighbours);

/// Letters, digits, "_" and "-", at most 64: so no path fits in.
bool is_plain_name(std::string_view name);

} // namespace velamen::privacy
