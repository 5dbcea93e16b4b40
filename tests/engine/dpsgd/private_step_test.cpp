// SPDX-License-Identifier: GPL-3.0-or-later
//
// The chain clipped sum, noisy gradient, optimiser: each link used once, the noise as large as
// claimed, the update that of AdamW.

#include "engine/dpsgd/private_step.h"

#include <cmath>
#include <concepts>
#include <type_traits>

#include <gtest/gtest.h>
#include <torch/optim/adamw.h>

#include "engine/dpsgd/optimiser.h"
#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

template <class Sum, class Step>
concept CanRelease = requires(Sum sum, Step step, const core::StreamKey& key)
{
    NoisyGradient::release(static_cast<Sum>(sum), static_cast<Step>(step), key);
};

template <class Gradient>
concept CanStep = requires(Optimiser optimiser, Gradient gradient)
{
    optimiser.step(static_cast<Gradient>(gradient));
};

// The guarantee as types: nothing can be copied, kept or used a second time without std::move, and
// the optimiser takes nothing but a NoisyGradient.
static_assert(!std::is_copy_constructible_v<ClippedSum>);
static_assert(!std::is_copy_constructible_v<NoisyGradient>);
static_assert(!std::is_copy_assignable_v<NoisyGradient>);
static_assert(!std::is_default_constructible_v<NoisyGradient>);
static_assert(!std::is_default_constructible_v<ClippedSum>);
static_assert(CanRelease<ClippedSum&&, privacy::SpentStep&&>);
static_assert(!CanRelease<ClippedSum&, privacy::SpentStep&&>);
static_assert(!CanRelease<ClippedSum&&, privacy::SpentStep&>);
static_assert(!CanRelease<ClippedSum&&, const privacy::SpentStep&>);
static_assert(!std::is_copy_constructible_v<privacy::SpentStep>);
static_assert(CanStep<NoisyGradient&&>);
static_assert(!CanStep<NoisyGradient&>);
static_assert(!CanStep<ClippedSum&&>);
static_assert(!CanStep<PublicGradient&&>);

constexpr double kTiny = 1e-30; // a multiplier under which no bit of an update changes

Model one_tensor(std::int64_t elements)
{
    return {"table",
            {torch::zeros({elements / 8, 8})},
            [](const std::vector<at::Tensor>& p, const at::Tensor& x, const at::Tensor& ids,
               nn::Tap& t) { return t.embedding(ids, p[0]) * x; },
            {8},
            {}};
}

ClippedSum empty_sum(const TrainedTensors& trained, double clip, double batch)
{
    Clipper clipper(trained, *privacy::ClippingNorm::create(clip),
                    *privacy::ExpectedBatch::create(batch));
    return *clipper.finish(draw_of(0));
}

TEST(NoisyGradient, UsesUpItsSpentStep)
{
    const Model model = one_tensor(64);
    const TrainedTensors trained = model.trained();
    StepSource steps(1.0, 1.0);
    const auto key = core::StreamKey::reproducible(1);
    privacy::SpentStep step = steps.next();
    ASSERT_TRUE(step.is_live());
    NoisyGradient::release(empty_sum(trained, 1.0, 4.0), std::move(step), key);
    EXPECT_FALSE(step.is_live()); // NOLINT(bugprone-use-after-move): the point of the test
    // A process of its own: a forked one would end at the key already.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(NoisyGradient::release(empty_sum(trained, 1.0, 4.0), std::move(step), key),
                 "is_live");
}

/// The gradient that an optimiser received: with beta1 = 0 the first moment is the gradient itself.
at::Tensor released_gradient(NoisyGradient&& gradient, const TrainedTensors& trained)
{
    Optimiser optimiser(trained, {.beta1 = 0.0});
    EXPECT_TRUE(optimiser.step(std::move(gradient)));
    return optimiser.export_state().at(1).second.clone();
}

TEST(NoisyGradient, NeverAddsLessNoiseThanItClaimsByRounding)
{
    // 1 + 2^-26 lies nearest to the float 1: the noise has to be that of the float above.
    const auto key = core::StreamKey::reproducible(2);
    const auto released = [&](double clip) {
        const Model model = one_tensor(64);
        const TrainedTensors trained = model.trained();
        StepSource steps(1.0, 1.0);
        return released_gradient(
            NoisyGradient::release(empty_sum(trained, clip, 1.0), steps.next(), key), trained);
    };
    const at::Tensor claimed = released(1.0 + 0x1p-26), less = released(1.0);
    EXPECT_TRUE((claimed.abs() >= less.abs()).all().item<bool>());
    EXPECT_TRUE((claimed.abs() > less.abs()).any().item<bool>());
}

// An empty draw releases noise alone. Standard deviation sigma C / B within 5 standard errors
// (sqrt(1 / 2n)), mean within 5; the key is fixed.
TEST(NoisyGradient, HoldsNoiseOfSigmaTimesClipOverBatchExactlyOnce)
{
    const Model model = one_tensor(1 << 18);
    const TrainedTensors trained = model.trained();
    StepSource steps(2.0, 2.0);
    const auto key = core::StreamKey::reproducible(7);
    const at::Tensor noise = released_gradient(
        NoisyGradient::release(empty_sum(trained, 0.5, 10.0), steps.next(), key), trained);
    const double wanted = 2.0 * 0.5 / 10.0;
    const double n = static_cast<double>(noise.numel());
    EXPECT_NEAR(noise.std().item<double>(), wanted, 5.0 * wanted * std::sqrt(0.5 / n));
    EXPECT_NEAR(noise.mean().item<double>(), 0.0, 5.0 * wanted / std::sqrt(n));
}

TEST(NoisyGradient, IsTheClippedSumPlusTheNoiseOverTheBatch)
{
    const Model model = one_tensor(32);
    const TrainedTensors trained = model.trained();
    const auto key = core::StreamKey::reproducible(7);
    StepSource first(2.0, 2.0), second(2.0, 2.0); // both start at step 0: the same noise
    const at::Tensor noise = released_gradient(
        NoisyGradient::release(empty_sum(trained, 0.5, 10.0), first.next(), key), trained);

    GradTape tape(trained);
    Clipper clipper(trained, privacy::ClippingNorm::literal(0.5),
                    privacy::ExpectedBatch::literal(10.0));
    add_rows(model, make_rows(model, 3, 1), tape, clipper);
    auto sum = clipper.finish(draw_of(3));
    ASSERT_TRUE(sum);
    const at::Tensor clipped = ClippedSumSeam::sums(*sum).at(0).clone();
    ASSERT_GT(clipped.abs().sum().item<double>(), 0.0);
    const at::Tensor whole =
        released_gradient(NoisyGradient::release(std::move(*sum), second.next(), key), trained);
    EXPECT_TRUE(at::allclose(whole, noise + clipped / 10.0, 1e-4, 1e-6));
}

TEST(NoisyGradient, HasFreshNoiseInEveryStepAndTensor)
{
    Model model = one_tensor(64);
    model.parameters.push_back(torch::zeros({8, 8}));
    const TrainedTensors trained = model.trained();
    StepSource steps(1.0, 1.0);
    const auto key = core::StreamKey::reproducible(7);
    Optimiser one(trained, {.beta1 = 0.0}), two(trained, {.beta1 = 0.0});
    ASSERT_TRUE(one.step(NoisyGradient::release(empty_sum(trained, 1, 1), steps.next(), key)));
    ASSERT_TRUE(two.step(NoisyGradient::release(empty_sum(trained, 1, 1), steps.next(), key)));
    const auto moment = [](const Optimiser& o, std::size_t tensor) {
        return o.export_state().at(1 + 4 * tensor).second;
    };
    EXPECT_FALSE(at::allclose(moment(one, 0), moment(two, 0)));
    EXPECT_FALSE(at::allclose(moment(one, 0), moment(one, 1)));
}

// Poisson loss: (sum of (clamped loss - 1/2) + N(0, (sigma_s / 2)^2)) / B + 1/2. 400 releases of an
// empty draw; 5 standard errors.
TEST(NoisyGradient, ReleasesTheLossWithTheNoiseThatTheStepPaysFor)
{
    const Model model = one_tensor(8);
    const TrainedTensors trained = model.trained();
    const double gradient = 1.0, loss = 4.0;
    const double effective = 1.0 / std::sqrt(1.0 / (gradient * gradient) + 1.0 / (loss * loss));
    StepSource steps(effective, gradient);
    const auto key = core::StreamKey::reproducible(11);
    double mean = 0.0, squares = 0.0;
    constexpr int kRuns = 400;
    for (int i = 0; i < kRuns; ++i) {
        const auto released =
            NoisyGradient::release(empty_sum(trained, 1.0, 10.0), steps.next(), key);
        ASSERT_TRUE(released.noised_loss());
        const double value = *released.noised_loss() - 0.5;
        mean += value / kRuns;
        squares += value * value / kRuns;
    }
    const double wanted = loss * 0.5 / 10.0;
    EXPECT_NEAR(mean, 0.0, 5.0 * wanted / std::sqrt(kRuns));
    EXPECT_NEAR(std::sqrt(squares), wanted, 5.0 * wanted * std::sqrt(0.5 / kRuns));
}

TEST(NoisyGradient, KeepsTheLossWhenTheStepDoesNotPayForIt)
{
    const Model model = one_tensor(8);
    const TrainedTensors trained = model.trained();
    StepSource steps(1.5, 1.5);
    const auto key = core::StreamKey::reproducible(11);
    const auto released = NoisyGradient::release(empty_sum(trained, 1, 1), steps.next(), key);
    EXPECT_FALSE(released.noised_loss());
    EXPECT_FALSE(released.noised_clipped_fraction());
}

// As the loss, from the sum over units of (1 if clipped else 0) - 1/2; its noise is its own.
TEST(NoisyGradient, ReleasesTheClippedFractionWithItsNoise)
{
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    StepSource steps(1.0, 1.0);
    steps.release_clipped_fraction(1e-6);
    const auto key = core::StreamKey::reproducible(3);
    for (const auto& [clip, share] : {std::pair{1e-9, 1.0}, {1e9, 0.0}}) {
        const Rows rows = make_rows(model, 4, 1);
        GradTape tape(trained);
        Clipper clipper(trained, *privacy::ClippingNorm::create(clip),
                        *privacy::ExpectedBatch::create(4.0));
        add_rows(model, rows, tape, clipper);
        auto sum = clipper.finish(draw_of(4));
        ASSERT_TRUE(sum);
        const auto released = NoisyGradient::release(std::move(*sum), steps.next(), key);
        ASSERT_TRUE(released.noised_clipped_fraction());
        EXPECT_NEAR(*released.noised_clipped_fraction(), share, 1e-5);
    }
    steps.release_clipped_fraction(6.0);
    double squares = 0.0;
    constexpr int kRuns = 400;
    for (int i = 0; i < kRuns; ++i) {
        const auto released = NoisyGradient::release(empty_sum(trained, 1, 10), steps.next(), key);
        const double value = *released.noised_clipped_fraction() - 0.5;
        squares += value * value / kRuns;
    }
    EXPECT_NEAR(std::sqrt(squares), 0.3, 5.0 * 0.3 * std::sqrt(0.5 / kRuns));
}

// Oracle: torch::optim::AdamW on the mean gradient; clipping and noise are too small to show.
TEST(Optimiser, EqualsAdamWWhenNeitherClippingNorNoiseAct)
{
    const Model model = attention_network();
    const Rows rows = make_rows(model, 4, 1);
    const TrainedTensors trained = model.trained();
    std::vector<at::Tensor> twin;
    for (const auto& entry : trained)
        twin.push_back(entry.tensor.detach().clone().requires_grad_(true));
    const OptimiserOptions options{.learning_rate = 1e-2,
                                   .beta2 = 0.95,
                                   .epsilon = 1e-8,
                                   .weight_decay = 0.1,
                                   .warmup_steps = 2,
                                   .total_steps = 5};
    torch::optim::AdamW reference(twin,
                                  torch::optim::AdamWOptions(1e-2)
                                      .betas({options.beta1, options.beta2})
                                      .eps(options.epsilon)
                                      .weight_decay(options.weight_decay));
    Optimiser optimiser(trained, options);
    GradTape tape(trained);
    Clipper clipper(trained, privacy::ClippingNorm::literal(1e6),
                    privacy::ExpectedBatch::literal(4.0));
    StepSource steps(kTiny, kTiny);
    const auto key = core::StreamKey::reproducible(1);
    PlainTap plain;
    for (int k = 0; k < 5; ++k) {
        add_rows(model, rows, tape, clipper);
        auto sum = clipper.finish(draw_of(4));
        ASSERT_TRUE(sum);
        const auto report =
            optimiser.step(NoisyGradient::release(std::move(*sum), steps.next(), key));
        ASSERT_TRUE(report);
        EXPECT_EQ(report->step, k + 1);

        for (auto& group : reference.param_groups())
            static_cast<torch::optim::AdamWOptions&>(group.options())
                .lr(learning_rate_at(options, k));
        reference.zero_grad();
        row_losses(model.forward(twin, rows.x, rows.ids, plain)).mean().backward();
        reference.step();
    }
    std::vector<at::Tensor> ours;
    for (const auto& entry : trained)
        ours.push_back(entry.tensor.detach());
    for (at::Tensor& t : twin)
        t = t.detach();
    EXPECT_LE(relative_error(ours, twin), 1e-4);
}

TEST(Optimiser, AveragesTheWeightsAfterEveryStep)
{
    const Model model = one_tensor(64);
    const TrainedTensors trained = model.trained();
    const OptimiserOptions options{.warmup_steps = 0, .total_steps = 30, .ema_decay = 0.5};
    Optimiser optimiser(trained, options);
    StepSource steps(1.0, 1.0);
    const auto key = core::StreamKey::reproducible(3);
    at::Tensor average = trained[0].tensor.detach().clone();
    for (int k = 0; k < 30; ++k) {
        ASSERT_TRUE(
            optimiser.step(NoisyGradient::release(empty_sum(trained, 1, 1), steps.next(), key)));
        const double decay = std::min(0.5, (1.0 + k) / (10.0 + k));
        average = decay * average + (1.0 - decay) * trained[0].tensor.detach();
    }
    EXPECT_EQ(optimiser.averaged().at(0).first, trained[0].name);
    EXPECT_TRUE(at::allclose(optimiser.averaged().at(0).second, average, 1e-4, 1e-7));
}

TEST(Optimiser, ScheduleWarmsUpAndFallsToItsFinalShare)
{
    const OptimiserOptions options{
        .learning_rate = 2.0, .warmup_steps = 10, .total_steps = 100, .final_fraction = 0.1};
    EXPECT_NEAR(learning_rate_at(options, 0), 0.2, 1e-12);
    EXPECT_NEAR(learning_rate_at(options, 50), 2.0 * 0.55, 1e-12);
    EXPECT_NEAR(learning_rate_at(options, 100), 0.2, 1e-12);
    EXPECT_NEAR(learning_rate_at(options, 1000), 0.2, 1e-12);
}

TEST(Optimiser, ScalesTheLearningRateOfATensor)
{
    Model model = one_tensor(64);
    model.parameters.push_back(torch::zeros({8, 8}));
    TrainedTensors trained = model.trained();
    trained[1].learning_rate_scale = 5.0;
    Optimiser optimiser(trained, {.learning_rate = 1e-3, .warmup_steps = 0, .total_steps = 10});
    StepSource steps(1.0, 1.0);
    const auto key = core::StreamKey::reproducible(3);
    ASSERT_TRUE(
        optimiser.step(NoisyGradient::release(empty_sum(trained, 1, 1), steps.next(), key)));
    // Adam's first step has the size of the learning rate.
    EXPECT_NEAR(trained[0].tensor.abs().max().item<double>(), 1e-3, 1e-6);
    EXPECT_NEAR(trained[1].tensor.abs().max().item<double>(), 5e-3, 5e-6);
}

TEST(Optimiser, GoesOnFromItsSavedState)
{
    const Model model = one_tensor(64);
    const TrainedTensors trained = model.trained();
    const OptimiserOptions options{.total_steps = 8};
    const auto key = core::StreamKey::reproducible(3);
    StepSource steps(1.0, 1.0), again(1.0, 1.0);
    Optimiser whole(trained, options);
    NamedTensors saved;
    for (int k = 0; k < 8; ++k) {
        ASSERT_TRUE(
            whole.step(NoisyGradient::release(empty_sum(trained, 1, 1), steps.next(), key)));
        if (k == 3)
            for (const auto& [name, tensor] : whole.export_state())
                saved.emplace_back(name, tensor.clone());
    }
    const at::Tensor wanted = trained[0].tensor.detach().clone();
    const at::Tensor wanted_average = whole.averaged().at(0).second.clone();

    Optimiser resumed(trained, options);
    ASSERT_TRUE(resumed.import_state(saved));
    EXPECT_EQ(resumed.steps_done(), 4);
    for (int k = 0; k < 4; ++k)
        (void)again.next();
    for (int k = 4; k < 8; ++k)
        ASSERT_TRUE(
            resumed.step(NoisyGradient::release(empty_sum(trained, 1, 1), again.next(), key)));
    EXPECT_TRUE(at::equal(trained[0].tensor.detach(), wanted));
    EXPECT_TRUE(at::equal(resumed.averaged().at(0).second, wanted_average));

    saved.pop_back();
    const auto refused = resumed.import_state(saved);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Corrupt);
}

TEST(Optimiser, ReportsTheNormOfWhatItReceivedAndWhatMoved)
{
    const Model model = one_tensor(1 << 16);
    const TrainedTensors trained = model.trained();
    StepSource steps(2.0, 2.0);
    const auto key = core::StreamKey::reproducible(9);
    Optimiser optimiser(trained, {.beta1 = 0.0, .total_steps = 4});
    const auto report =
        optimiser.step(NoisyGradient::release(empty_sum(trained, 0.5, 10.0), steps.next(), key));
    ASSERT_TRUE(report);
    const at::Tensor gradient = optimiser.export_state().at(1).second;
    EXPECT_NEAR(report->noised_gradient_norm, gradient.norm().item<double>(), 1e-4);
    EXPECT_NEAR(report->expected_noise_norm, 0.1 * 256.0, 1e-9);
    EXPECT_EQ(report->moved, std::vector<bool>{true});
}

TEST(Optimiser, KeepsFp32MasterWeightsForATensorOfLowerPrecision)
{
    Model model = one_tensor(64);
    model.parameters[0] = torch::ones({8, 8}, torch::kBFloat16);
    const TrainedTensors trained = model.trained();
    StepSource steps(1.0, 1.0);
    const auto key = core::StreamKey::reproducible(3);
    Optimiser optimiser(trained,
                        {.learning_rate = 1e-4, .warmup_steps = 0, .total_steps = 1000000});
    for (int k = 0; k < 3; ++k) // each far below half a unit of bf16 at 1
        ASSERT_TRUE(
            optimiser.step(NoisyGradient::release(empty_sum(trained, 1, 1), steps.next(), key)));
    const at::Tensor master = optimiser.export_state().at(4).second;
    EXPECT_GT((master - 1.0).abs().max().item<double>(), 1.5e-4);
    EXPECT_TRUE(at::equal(trained[0].tensor.detach(), master.to(torch::kBFloat16)));
}

} // namespace
} // namespace velamen::dpsgd::testing
