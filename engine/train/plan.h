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
#include "engine/data/keys.h"
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
    double noise_warm_start = 0.0; ///< of the class moments before the first step; 0: not released
    double noise_votes = 0.0;      ///< of the class votes before the first step; 0: not released
    /// k: so many of a unit's images at most take part in a step, picked anew at random each time.
    std::int64_t images_per_unit = 1;
};

/// What the ledger is charged for so many steps of the plan.
privacy::TrainingSteps charge_for(const PrivacyPlan& plan, std::int64_t steps);
/// The noise of each part of a step. InvalidArgument as the ledger's line would be.
Result<privacy::StepNoise> step_noise_of(const PrivacyPlan& plan);
/// What is released before the first step, in this order: the class votes, the class moments.
/// Nothing without a warm start.
Result<std::vector<privacy::NoisyRelease>> warm_start_charges(const PrivacyPlan& plan);
/// The plan as accountants see it: steps first, then what else is released. InvalidArgument naming
/// the number that is out of range.
Result<std::vector<privacy::Spending>> spending_of(const PrivacyPlan& plan);

struct OptimiserPlan {
    std::string rule = "adamw"; ///< or "adam_bc" (bias correction for noise), "sgd" (momentum)
    double learning_rate = 1e-3;
    double embedding_scale = 5.0; ///< learning rate of the class table relative to the rest
    double beta1 = 0.9;
    double beta2 = 0.99;
    double epsilon = 1e-12;    ///< AdamW's, not the privacy budget
    double momentum = 0.9;     ///< of "sgd"
    double weight_decay = 0.0; ///< decoupled
    std::int64_t warmup_steps = 10;
    double final_fraction = 0.1; ///< cosine down to this share of the learning rate
    double ema_decay = 0.9;      ///< per optimiser step
    /// How a unit's gradient is bounded: "flat", "per_block" or "automatic" (normalised, C = 1).
    std::string clipping = "flat";
    double clipping_norm = 0.01;         ///< C
    double class_dropout = 0.1;          ///< share of draws with the null class, for guidance
    std::int64_t warm_start_steps = 200; ///< public ones, where there is a warm start
    std::int64_t noise_multiplicity = 1; ///< K draws of (t, noise) an image and step
    std::int64_t public_batch = 0; ///< public images mixed into each update after noising; 0: none
    double public_weight = 1.0;    ///< of their mean gradient beside the private one
};

struct TrainingPlan {
    static constexpr std::int64_t kSchema = 1;

    std::filesystem::path checkpoint;    ///< base checkpoint folder
    std::filesystem::path source;        ///< private folder or zip
    data::Keys keys;                     ///< where an image's class and unit are found
    std::filesystem::path public_source; ///< public folder or zip for optimiser.public_batch
    std::vector<std::string> classes;    ///< public list, in the order of class indices
    std::string selection = "attention";
    bool train_conditioner = true; ///< the class table or text encoder beside the selection
    std::string caption;         ///< of a text-conditional checkpoint, with {class}; empty: its own
    std::int64_t image_size = 0; ///< side in pixels; 0: the checkpoint's own
    bool skip_dead = true;       ///< leave out tensors whose gradient is zero by construction
    /// "fp32", or "bf16" for frozen weights and activations; norms and sums are fp32 always.
    std::string precision = "fp32";
    PrivacyPlan privacy;
    OptimiserPlan optimiser;
    std::int64_t micro_batch = 256; ///< whole units of one forward/backward pass
    double memory_limit = 0.0;      ///< GiB that micro_batch was chosen for; 0: chosen by hand
    std::int64_t sample_every = 10; ///< steps between preview rows; 0: only at the end
    std::int64_t preview_seed = 1234;
    double preview_guidance = 0.3;
    bool reproducible = false; ///< test mode: keys from a seed; voids the certificate

    io::Json to_json() const;
    /// Corrupt / InvalidArgument naming the field.
    static Result<TrainingPlan> from_json(const io::Json& json);
};

/// R = k K: so many rows of a pass belong to each unit, however many images it has.
std::int64_t rows_per_unit(const TrainingPlan& plan);

/// What the user asks for; make_plan() fills in the rest.
struct PlanRequest {
    std::filesystem::path checkpoint;
    std::filesystem::path source;
    data::Keys keys;
    std::vector<std::string> classes;
    /// "patient", "study", ...: what keys.unit tells apart; "image" if and only if that is "file".
    std::string unit = "image";
    double epsilon = 1.0;
    double delta = 0.0; ///< 0: privacy::default_delta
    privacy::Neighbours neighbours = privacy::Neighbours::ZeroOut;
    std::int64_t public_units = 0;
    std::int64_t expected_batch = 0; ///< 0: chosen from public_units
    std::int64_t steps = 0;          ///< 0: the preset's
    std::string selection = "attention";
    bool train_conditioner = true;
    std::string caption;         ///< as in the plan
    std::int64_t image_size = 0; ///< as in the plan
    bool release_clipped_fraction = false;
    bool hardened = false;
    bool warm_start = false;  ///< begin at noisy class means, charged to epsilon
    bool class_votes = false; ///< rows of the class table by a noisy vote, charged to epsilon
    std::int64_t images_per_unit = 0;    ///< k; 0: 1 for images, 4 for anything larger
    std::int64_t noise_multiplicity = 1; ///< K
    std::string rule = "adamw";
    std::string clipping = "flat";
    std::string precision = "fp32";
    double memory_limit = 0.0; ///< GiB for a micro-batch; 0: no search
    std::filesystem::path public_source;
    std::int64_t public_batch = 0;
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
    double epsilon_warm_start = 0.0;  ///< of what is released before the first step, alone
    double noise_without_warm_start =
        0.0; ///< effective noise if the steps had epsilon to themselves
    std::int64_t trained_parameters = 0;
    std::int64_t total_parameters = 0;
};

/// Numbers only: instant except for loading the checkpoint.
Result<Forecast> forecast(const TrainingPlan& plan);
/// The plan with the largest micro-batch, up to its own, that keeps a run within plan.memory_limit;
/// as it is without a limit. By dry runs of random latents, which may take a minute. Refused, with
/// what one unit needs, when that is more.
Result<TrainingPlan> fit_micro_batch(const TrainingPlan& plan);
/// Fills in seconds and gigabytes by running two micro-batches of random latents.
Result<Forecast> measure(const TrainingPlan& plan);

} // namespace velamen::train
