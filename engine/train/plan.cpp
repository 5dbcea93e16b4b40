// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>

#include "engine/privacy/calibration.h"
#include "engine/privacy/class_moments.h"
#include "engine/privacy/composition.h"
#include "engine/privacy/explain.h"
#include "engine/privacy/statistics.h"
#include "engine/train/plan_check.h"

namespace velamen::train {

namespace {

constexpr std::int64_t kFewestUnits = 100;
/// Twice the steps of a run of 100 need a fifth more noise only: 20,000 digits at epsilon 10 went
/// from 89 % to 94 % accuracy of a classifier trained on the images.
constexpr std::int64_t kPresetSteps = 200;
/// k of units that hold several images: their mean has less noise, and few hold more.
constexpr std::int64_t kImagesPerUnit = 4;
constexpr std::int64_t kRowsOfAPass = 256;
constexpr double kMaxDeclaredEpsilon = 1e6;
constexpr double kMostReleaseNoise = 1e5; ///< released sums hold at most 2^20

Result<> check_range(const char* field, double value, double low, double high)
{
    if (std::isfinite(value) && value >= low && value <= high) return {};
    return fail(ErrorCode::InvalidArgument,
                std::string("the plan's ") + field + " is " + std::to_string(value),
                std::string("it must lie between ") + std::to_string(low) + " and "
                    + std::to_string(high));
}

Result<> check_choice(const char* field, const std::string& value,
                      std::initializer_list<const char*> known)
{
    std::string list;
    for (const char* one : known) {
        if (value == one) return {};
        list += (list.empty() ? "" : ", ") + std::string(one);
    }
    return fail(ErrorCode::InvalidArgument,
                std::string("the plan's ") + field + " is '" + value + "'",
                "choose one of: " + list);
}

/// A guarantee for whole patients says nothing of single images and the other way round, so that
/// the name of the unit has to be what its key tells apart.
Result<> check_unit(const std::string& name, const data::Keys& keys)
{
    VELAMEN_TRY(data::check_keys(keys));
    if (!privacy::is_plain_name(name))
        return fail(ErrorCode::InvalidArgument,
                    "the unit's name is not 1 to 64 letters, digits, \"_\" or \"-\"",
                    "use a word like patient");
    const bool is_file = keys.unit == "file";
    if (is_file == (name == "image")) return {};
    return fail(ErrorCode::InvalidArgument,
                is_file ? "the unit is called '" + name
                        + "', but its key is 'file', so that each "
                          "image is a unit of its own"
                        : "the unit is called 'image', but its key '" + keys.unit
                        + "' puts several images into one",
                is_file ? "say by which key a " + name + " is known, for example column:" + name
                        + " of metadata.csv, or protect single images"
                        : "call it by what the key tells apart, for example patient");
}

/// The noise of the whole that keeps the plan within its epsilon.
Result<privacy::NoiseMultiplier> calibrated(const PrivacyPlan& p)
{
    using namespace privacy;
    VELAMEN_ASSIGN(const Epsilon target, Epsilon::create(p.epsilon));
    VELAMEN_ASSIGN(const Delta delta, Delta::create(p.delta));
    VELAMEN_ASSIGN(const SamplingRate rate, SamplingRate::create(p.rate));
    VELAMEN_ASSIGN(const Steps steps, Steps::create(p.steps));
    VELAMEN_ASSIGN(const auto warm_start, warm_start_charges(p));
    std::vector<Spending> others;
    for (const NoisyRelease& release : warm_start)
        others.push_back({release.event, Steps::literal(1)});
    return calibrate_beside(others, target, delta, rate, steps, p.hardened);
}

/// The noise of what is released before the first step. As much as a class of average size bears,
/// n = N / classes units: n / 100 leaves the mean of a class right to about a tenth of the latents'
/// spread (48 numbers a latent), and with n / 40 a public class needs a tenth of a class's votes to
/// stand out (4 sigma). Never less than four times the noise that alone would use up epsilon: a
/// sixteenth of the whole in squares, by which the noise of the steps grows some 3 % for each.
Result<> choose_warm_start(TrainingPlan& plan, const PlanRequest& request)
{
    using namespace privacy;
    if (!request.warm_start && !request.class_votes) return {};
    PrivacyPlan& p = plan.privacy;
    VELAMEN_ASSIGN(const Epsilon target, Epsilon::create(p.epsilon));
    VELAMEN_ASSIGN(const Delta delta, Delta::create(p.delta));
    VELAMEN_ASSIGN(const NoiseMultiplier whole,
                   calibrate_noise(target, delta, SamplingRate::literal(1.0), Steps::literal(1)));
    const double each =
        static_cast<double>(p.public_units) / static_cast<double>(plan.classes.size());
    const double least = 4.0 * whole.value();
    const auto chosen = [least](double wanted) {
        return std::min(kMostReleaseNoise, std::max(wanted, least));
    };
    if (request.warm_start) p.noise_warm_start = chosen(each / 100.0);
    if (request.class_votes) p.noise_votes = chosen(each / 40.0);
    return {};
}

/// Shares the effective noise between the gradient and the scalars that are released beside it,
/// each with an eighth of the gradient's precision: about 1 % of epsilon.
Result<> share_noise(PrivacyPlan& p, bool release_clipped_fraction)
{
    using namespace privacy;
    VELAMEN_ASSIGN(const NoiseMultiplier effective, NoiseMultiplier::create(p.noise_effective));
    p.noise_loss = 8.0 * std::max(1.0, p.noise_effective);
    VELAMEN_ASSIGN(NoiseMultiplier scalars, NoiseMultiplier::create(p.noise_loss));
    if (release_clipped_fraction) {
        p.noise_clipped = p.noise_loss;
        VELAMEN_ASSIGN(const NoiseMultiplier clipped, NoiseMultiplier::create(p.noise_clipped));
        scalars = joint_noise(scalars, clipped);
    }
    VELAMEN_ASSIGN(const NoiseMultiplier gradient, gradient_noise(effective, scalars));
    p.noise_gradient = gradient.value();
    return {};
}

} // namespace

Result<> check_plan(const TrainingPlan& plan)
{
    const PrivacyPlan& p = plan.privacy;
    const OptimiserPlan& o = plan.optimiser;
    if (!(p.epsilon > 0.0) || p.epsilon > kMaxDeclaredEpsilon)
        return fail(ErrorCode::InvalidArgument,
                    "epsilon is " + std::to_string(p.epsilon) + ", but it must be above 0",
                    "1 is strong, 10 is weak; start with 1");
    if (p.public_units < kFewestUnits)
        return fail(ErrorCode::Refused,
                    "with " + std::to_string(p.public_units) + " units, each one " + p.unit
                        + ", a useful guarantee is out of reach",
                    "at least 100 are needed, a thousand or more is better");
    if (!(p.delta > 0.0) || p.delta >= 1.0 / static_cast<double>(p.public_units))
        return fail(
            ErrorCode::InvalidArgument,
            "delta is not below 1 / number of units (1/" + std::to_string(p.public_units) + ")",
            "use at most " + privacy::one_in(privacy::default_delta(p.public_units).value()));
    if (p.expected_batch < 1 || p.expected_batch > p.public_units)
        return fail(ErrorCode::InvalidArgument,
                    "the expected batch is " + std::to_string(p.expected_batch) + ", but there are "
                        + std::to_string(p.public_units) + " units",
                    "choose a batch between 1 and the number of units");
    if (p.steps < 1)
        return fail(ErrorCode::InvalidArgument, "the number of steps is " + std::to_string(p.steps),
                    "it must be at least 1");
    if (plan.classes.empty())
        return fail(ErrorCode::InvalidArgument, "the plan names no class",
                    "put the images into one subfolder per class, or all into one");
    VELAMEN_TRY(check_unit(p.unit, plan.keys));
    VELAMEN_TRY(check_range("sampling rate", p.rate, 1e-12, 1.0));
    VELAMEN_TRY(check_range("effective noise multiplier", p.noise_effective, 1e-3, 1e9));
    VELAMEN_TRY(check_range("gradient noise multiplier", p.noise_gradient, p.noise_effective, 1e9));
    VELAMEN_TRY(check_range("loss noise multiplier", p.noise_loss, 0.0, 1e9));
    VELAMEN_TRY(check_range("clipped-fraction noise multiplier", p.noise_clipped, 0.0, 1e9));
    VELAMEN_TRY(check_range("warm-start noise multiplier", p.noise_warm_start, 0.0, 1e6));
    VELAMEN_TRY(check_range("vote noise multiplier", p.noise_votes, 0.0, 1e6));
    VELAMEN_TRY(check_range("images per unit", static_cast<double>(p.images_per_unit), 1, 1024));
    VELAMEN_TRY(check_choice("update rule", o.rule, {"adamw", "adam_bc", "sgd"}));
    VELAMEN_TRY(check_choice("clipping", o.clipping, {"flat", "per_block", "automatic"}));
    VELAMEN_TRY(check_choice("precision", plan.precision, {"fp32", "bf16"}));
    VELAMEN_TRY(check_range("momentum", o.momentum, 0.0, 1.0));
    VELAMEN_TRY(check_range("public batch", static_cast<double>(o.public_batch), 0, 1 << 20));
    VELAMEN_TRY(check_range("public weight", o.public_weight, 0.0, 1e6));
    VELAMEN_TRY(check_range("memory limit", plan.memory_limit, 0.0, 1e6));
    if (o.public_batch > 0 && plan.public_source.empty())
        return fail(ErrorCode::InvalidArgument,
                    "the plan mixes in public images but names no public folder",
                    "name one, or mix in none");
    if (o.clipping == "automatic" && o.clipping_norm != 1.0)
        return fail(ErrorCode::InvalidArgument,
                    "automatic clipping normalises every contribution to 1, but the plan's "
                    "clipping norm is "
                        + std::to_string(o.clipping_norm),
                    "set the clipping norm to 1");
    if (o.clipping == "automatic" && p.noise_clipped > 0.0)
        return fail(ErrorCode::InvalidArgument,
                    "automatic clipping normalises every contribution, so there is no clipped "
                    "fraction to release",
                    "release none, or choose flat clipping");
    VELAMEN_TRY(check_range("clipping norm", o.clipping_norm, 1e-12, 1e12));
    VELAMEN_TRY(check_range("learning rate", o.learning_rate, 1e-12, 1e3));
    VELAMEN_TRY(check_range("EMA decay", o.ema_decay, 0.0, 1.0));
    VELAMEN_TRY(check_range("class dropout", o.class_dropout, 0.0, 1.0));
    VELAMEN_TRY(
        check_range("noise multiplicity", static_cast<double>(o.noise_multiplicity), 1, 64));
    VELAMEN_TRY(
        check_range("warm-start steps", static_cast<double>(o.warm_start_steps), 0, 100'000));
    VELAMEN_TRY(check_range("micro-batch", static_cast<double>(plan.micro_batch), 1, 1 << 20));
    if (std::abs(p.rate * static_cast<double>(p.public_units)
                 - static_cast<double>(p.expected_batch))
        > 1e-6 * static_cast<double>(p.expected_batch))
        return fail(ErrorCode::Corrupt,
                    "sampling rate, expected batch and number of units of the plan disagree",
                    "make the plan anew");
    // What the first line of the ledger would refuse is refused here.
    return privacy::check_ledger_event(charge_for(p, 1), p.neighbours);
}

privacy::TrainingSteps charge_for(const PrivacyPlan& plan, std::int64_t steps)
{
    privacy::TrainingSteps charge;
    charge.is_hardened = plan.hardened;
    charge.rate = plan.rate;
    charge.noise_gradient = plan.noise_gradient;
    if (plan.noise_loss > 0.0) charge.noise_loss = plan.noise_loss;
    if (plan.noise_clipped > 0.0) charge.noise_clipped = plan.noise_clipped;
    charge.noise_effective = plan.noise_effective;
    charge.steps = steps;
    return charge;
}

Result<privacy::StepNoise> step_noise_of(const PrivacyPlan& plan)
{
    VELAMEN_ASSIGN(const auto gradient, privacy::NoiseMultiplier::create(plan.noise_gradient));
    privacy::StepNoise noise{gradient};
    if (plan.noise_loss > 0.0) {
        VELAMEN_ASSIGN(noise.loss, privacy::NoiseMultiplier::create(plan.noise_loss));
    }
    if (plan.noise_clipped > 0.0) {
        VELAMEN_ASSIGN(noise.clipped_fraction,
                       privacy::NoiseMultiplier::create(plan.noise_clipped));
    }
    return noise;
}

Result<std::vector<privacy::Spending>> spending_of(const PrivacyPlan& plan)
{
    VELAMEN_ASSIGN(const privacy::Event event, privacy::event_of(charge_for(plan, 1)));
    VELAMEN_ASSIGN(const auto steps, privacy::Steps::create(plan.steps));
    std::vector<privacy::Spending> all{{event, steps}};
    VELAMEN_ASSIGN(const auto warm_start, warm_start_charges(plan));
    for (const privacy::NoisyRelease& release : warm_start)
        all.push_back({release.event, privacy::Steps::literal(1)});
    return all;
}

Result<std::vector<privacy::NoisyRelease>> warm_start_charges(const PrivacyPlan& plan)
{
    std::vector<privacy::NoisyRelease> charges;
    if (plan.noise_votes > 0.0) {
        VELAMEN_ASSIGN(const auto noise, privacy::NoiseMultiplier::create(plan.noise_votes));
        charges.push_back(privacy::votes_charge(noise));
    }
    if (plan.noise_warm_start > 0.0) {
        VELAMEN_ASSIGN(const auto noise, privacy::NoiseMultiplier::create(plan.noise_warm_start));
        charges.push_back(privacy::class_moments_charge(noise));
    }
    return charges;
}

std::int64_t rows_per_unit(const TrainingPlan& plan)
{
    return plan.privacy.images_per_unit * plan.optimiser.noise_multiplicity;
}

Result<TrainingPlan> make_plan(const PlanRequest& request)
{
    using namespace privacy;
    if (!(request.epsilon > 0.0) || !std::isfinite(request.epsilon))
        return fail(ErrorCode::InvalidArgument,
                    "epsilon is " + std::to_string(request.epsilon)
                        + ", but it must be a number above 0",
                    "1 is strong, 10 is weak; start with 1");
    if (request.public_units < kFewestUnits)
        return fail(ErrorCode::Refused,
                    "with " + std::to_string(request.public_units) + " units, each one "
                        + request.unit + ", a useful guarantee is out of reach",
                    "at least 100 are needed, a thousand or more is better");
    TrainingPlan plan;
    plan.checkpoint = request.checkpoint;
    plan.source = request.source;
    plan.keys = request.keys;
    plan.public_source = request.public_source;
    plan.classes = request.classes;
    plan.selection = request.selection;
    plan.train_conditioner = request.train_conditioner;
    plan.caption = request.caption;
    plan.image_size = request.image_size;
    plan.precision = request.precision;
    plan.memory_limit = request.memory_limit;
    plan.optimiser.rule = request.rule;
    plan.optimiser.clipping = request.clipping;
    if (request.clipping == "automatic") plan.optimiser.clipping_norm = 1.0;
    plan.optimiser.noise_multiplicity = request.noise_multiplicity;
    plan.optimiser.public_batch = request.public_batch;

    PrivacyPlan& p = plan.privacy;
    p.epsilon = request.epsilon;
    p.neighbours = request.neighbours;
    p.public_units = request.public_units;
    p.delta = request.delta != 0.0 ? request.delta : default_delta(p.public_units).value();
    // Large batches pay under DP-SGD; a tenth of the units keeps amplification by sampling strong.
    p.expected_batch = request.expected_batch != 0
        ? request.expected_batch
        : std::clamp<std::int64_t>(p.public_units / 10, std::min<std::int64_t>(32, p.public_units),
                                   2000);
    p.steps = request.steps != 0 ? request.steps : kPresetSteps;
    p.rate = static_cast<double>(p.expected_batch) / static_cast<double>(p.public_units);
    p.noise_effective = p.noise_gradient = 1.0; // placeholders that pass the check; set below
    p.noise_loss = 0.0;
    p.hardened = request.hardened;
    p.unit = request.unit;
    p.images_per_unit = request.images_per_unit != 0 ? request.images_per_unit
        : request.unit == "image"                    ? 1
                                                     : kImagesPerUnit;
    VELAMEN_TRY(check_plan(plan));
    VELAMEN_TRY(choose_warm_start(plan, request));
    VELAMEN_TRY(check_plan(plan));

    VELAMEN_ASSIGN(const NoiseMultiplier effective, calibrated(p));
    p.noise_effective = effective.value();
    VELAMEN_TRY(share_noise(p, request.release_clipped_fraction));

    // Less noise bears a larger step (measured at epsilon 1 and 10, interpolated in log epsilon).
    const double looseness = std::exp2(std::clamp(std::log10(p.epsilon), 0.0, 1.0)); // 1 ... 2
    plan.optimiser.learning_rate = 1e-3 * looseness;
    plan.optimiser.embedding_scale = 10.0 / looseness;
    plan.optimiser.warmup_steps =
        std::min<std::int64_t>(10, std::max<std::int64_t>(1, p.steps / 10));
    // The last pass of a step is filled up: with eight of them that costs a sixteenth of the time.
    plan.micro_batch =
        std::min(std::max<std::int64_t>(1, kRowsOfAPass / rows_per_unit(plan)),
                 std::max(p.expected_batch / 8, std::min<std::int64_t>(16, p.expected_batch)));
    plan.sample_every = std::max<std::int64_t>(1, p.steps / 10);
    VELAMEN_TRY(check_plan(plan));
    return plan;
}

} // namespace velamen::train
