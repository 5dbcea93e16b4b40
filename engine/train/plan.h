// SPDX-License-Identifier: GPL-3.0-or-later
//
// Everything that a private run will do, fixed before its first step: runs/<id>/plan.json.

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/privacy/ledger_event.h"

namespace velamen::train {

struct PrivacyPlan {
    double epsilon = 10.0; ///< declared limit (epsilon_max)
    double delta = 1e-5;
    privacy::Neighbours neighbours = privacy::Neighbours::ZeroOut;
    std::int64_t public_units = 0; ///< N: exact under zero-out, typed by the user under add/remove
    std::string unit = "image";
    double rate = 0.0;               ///< q = expected_batch / public_units
    std::int64_t expected_batch = 0; ///< B
    std::int64_t steps = 0;          ///< T_max
    double noise_effective = 0.0;    ///< calibrated
    double noise_loss = 8.0;         ///< sigma_s of the noised loss; 0: not released
    double noise_clipped = 0.0;      ///< of the noised clipped fraction; 0: not released
    double noise_gradient = 0.0;     ///< from those above
    /// Discrete Gaussian noise on an integer grid, against attacks on floating-point noise. Epsilon
    /// is the Renyi bound then.
    bool hardened = false;
    double noise_warm_start = 0.0; ///< of the class moments before the first step; 0: no warm start
};

/// What the ledger is charged for so many steps of the plan.
privacy::TrainingSteps charge_for(const PrivacyPlan& plan, std::int64_t steps);
/// The noise of each part of a step. InvalidArgument as the ledger's line would be.
Result<privacy::StepNoise> step_noise_of(const PrivacyPlan& plan);
/// The release before the first step; nothing without a warm start.
Result<std::optional<privacy::NoisyRelease>> warm_start_charge(const PrivacyPlan& plan);
/// The plan as accountants see it: steps first, then what else is released. InvalidArgument naming
/// the number that is out of range.
Result<std::vector<privacy::Spending>> spending_of(const PrivacyPlan& plan);

struct OptimiserPlan {
    double learning_rate = 1e-3;
    double embedding_scale = 5.0; ///< learning rate of the class table relative to the rest
    double beta1 = 0.9;
    double beta2 = 0.99;
    double epsilon = 1e-12; ///< AdamW's, not the privacy budget
    double weight_decay = 0.0;
    std::int64_t warmup_steps = 10;
    double final_fraction = 0.1;         ///< cosine down to this share of the learning rate
    double ema_decay = 0.9;              ///< per optimiser step
    double clipping_norm = 0.01;         ///< C
    double class_dropout = 0.1;          ///< share of draws with the null class, for guidance
    std::int64_t warm_start_steps = 200; ///< public ones, where there is a warm start
    std::int64_t noise_multiplicity = 1; ///< K draws of (t, noise) a unit and step
};

struct TrainingPlan {
    static constexpr std::int64_t kSchema = 1;

    std::filesystem::path checkpoint; ///< base checkpoint folder
    std::filesystem::path source;     ///< private folder or zip
    std::vector<std::string> classes; ///< public list, in the order of class indices
    std::string selection = "attention";
    bool skip_dead = true; ///< leave out tensors whose gradient is zero by construction
    PrivacyPlan privacy;
    OptimiserPlan optimiser;
    std::int64_t micro_batch = 256; ///< units of one forward/backward pass
    std::int64_t sample_every = 10; ///< steps between preview rows; 0: only at the end
    std::int64_t preview_seed = 1234;
    double preview_guidance = 0.3;
    bool reproducible = false; ///< test mode: keys from a seed; voids the certificate

    io::Json to_json() const;
    /// Corrupt / InvalidArgument naming the field.
    static Result<TrainingPlan> from_json(const io::Json& json);
};

/// What the user asks for; make_plan() fills in the rest.
struct PlanRequest {
    std::filesystem::path checkpoint;
    std::filesystem::path source;
    std::vector<std::string> classes;
    double epsilon = 1.0;
    double delta = 0.0; ///< 0: privacy::default_delta
    privacy::Neighbours neighbours = privacy::Neighbours::ZeroOut;
    std::int64_t public_units = 0;
    std::int64_t expected_batch = 0; ///< 0: chosen from public_units
    std::int64_t steps = 0;          ///< 0: the preset's
    std::string selection = "attention";
    bool release_clipped_fraction = false;
    bool hardened = false;
    bool warm_start = false; ///< begin at noisy class means, charged to epsilon
};

/// Calibrates the noise and checks every rule (epsilon > 0, delta < 1/N, N >= 100, B <= N, ...).
/// Refused / InvalidArgument with a sentence and the nearest choice that works. Takes up to a
/// second.
Result<TrainingPlan> make_plan(const PlanRequest& request);

/// The cost of a plan as far as public numbers tell.
struct Forecast {
    double seconds = 0.0; ///< from a dry run on synthetic data on this machine; 0: not measured
    double gigabytes = 0.0;
    double epsilon = 0.0;             ///< of the whole plan, PLD
    double epsilon_rdp = 0.0;         ///< of the whole plan, RDP
    double epsilon_no_sampling = 0.0; ///< conservative footnote: without amplification by sampling
    double attacker_rate = 0.0;       ///< true positives at 1 % false alarms, at most
    std::int64_t trained_parameters = 0;
    std::int64_t total_parameters = 0;
};

/// Numbers only: instant except for loading the checkpoint.
Result<Forecast> forecast(const TrainingPlan& plan);
/// Fills in seconds and gigabytes by running two micro-batches of random latents.
Result<Forecast> measure(const TrainingPlan& plan);

} // namespace velamen::train
