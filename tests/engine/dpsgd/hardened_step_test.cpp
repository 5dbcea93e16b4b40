// SPDX-License-Identifier: GPL-3.0-or-later
//
// Steps with discrete noise on the integer grid. Oracles: the clipped sum in floating point, and
// the standard deviations that were charged.

#include <cmath>

#include <gtest/gtest.h>

#include "engine/dpsgd/optimiser.h"
#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

using privacy::NoiseMultiplier;
using privacy::StepNoise;

constexpr auto kBatch = privacy::ExpectedBatch::literal(10.0);

StepNoise noise_of(double gradient, std::optional<double> loss = {},
                   std::optional<double> clipped = {})
{
    StepNoise noise{NoiseMultiplier::create(gradient).value()};
    if (loss) noise.loss = NoiseMultiplier::create(*loss).value();
    if (clipped) noise.clipped_fraction = NoiseMultiplier::create(*clipped).value();
    return noise;
}

Clipper clipper_of(const TrainedTensors& trained, double clip, const StepNoise& noise)
{
    return Clipper::hardened(trained, privacy::ClippingNorm::create(clip).value(), kBatch, noise)
        .value();
}

privacy::GridNoise draw(const Clipper& clipper, const StepNoise& noise, std::uint64_t seed)
{
    return privacy::GridNoise::draw(clipper.grid(), joint_noise(noise),
                                    core::SecureStream(core::StreamKey::reproducible(seed), 0, 0))
        .value();
}

/// What the optimiser receives: with beta1 = 0 the first moment is the gradient itself.
std::vector<at::Tensor> received(NoisyGradient&& gradient, const TrainedTensors& trained)
{
    Optimiser optimiser(trained, {.beta1 = 0.0});
    EXPECT_TRUE(optimiser.step(std::move(gradient)));
    std::vector<at::Tensor> out;
    for (const auto& [name, tensor] : optimiser.export_state())
        if (name.starts_with("exp_avg.")) out.push_back(tensor);
    return out;
}

// With noise of one grid step what is released is the clipped sum, for every layer type, tensors
// used several times, padding and any split into micro-batches.
TEST(HardenedStep, ReleasesTheClippedSumOfEveryLayer)
{
    const StepNoise tiny = noise_of(1e-9);
    for (const Model& model : all_models()) {
        const TrainedTensors trained = model.trained();
        const Rows rows = make_rows(model, 5, 2);
        const double clip = slow_gradients(model, rows).median_norm();

        GradTape tape(trained);
        Clipper plain(trained, privacy::ClippingNorm::create(clip).value(), kBatch);
        add_rows(model, rows, tape, plain);
        const auto expected = plain.finish(draw_of(5));
        ASSERT_TRUE(expected) << model.name;

        Clipper clipper = clipper_of(trained, clip, tiny);
        auto noise = draw(clipper, tiny, 1);
        add_rows(model, rows.part(0, 2), tape, clipper);
        add_rows(model, rows.part(2, 3), tape, clipper);
        auto sum = clipper.finish(draw_of(5));
        ASSERT_TRUE(sum) << model.name;
        StepSource steps(tiny);
        const auto released = received(
            NoisyGradient::release(std::move(*sum), steps.next(), std::move(noise)), trained);
        std::vector<at::Tensor> wanted;
        for (const at::Tensor& one : ClippedSumSeam::sums(*expected))
            wanted.push_back(one / kBatch.value());
        EXPECT_LT(relative_error(released, wanted), 1e-4) << model.name;
    }
}

// An empty draw is noise alone: sigma C / B on weights, sigma_s / 2 / B on scalars; 5 standard
// errors, keys fixed.
TEST(HardenedStep, HoldsTheNoiseThatWasChargedOnEveryPart)
{
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    const StepNoise noise = noise_of(2.0, 6.0, 9.0);
    StepSource steps(noise);
    double squares = 0.0, elements = 0.0, loss = 0.0, clipped = 0.0;
    constexpr int kRuns = 200;
    for (int run = 0; run < kRuns; ++run) {
        Clipper clipper = clipper_of(trained, 0.5, noise);
        auto drawn = draw(clipper, noise, static_cast<std::uint64_t>(run));
        auto gradient =
            NoisyGradient::release(*clipper.finish(draw_of(0)), steps.next(), std::move(drawn));
        loss += std::pow(*gradient.noised_loss() - 0.5, 2) / kRuns;
        clipped += std::pow(*gradient.noised_clipped_fraction() - 0.5, 2) / kRuns;
        for (const at::Tensor& part : received(std::move(gradient), trained)) {
            squares += part.square().sum().item<double>();
            elements += static_cast<double>(part.numel());
        }
    }
    const auto near = [](double measured, double wanted, double count) {
        EXPECT_NEAR(measured, wanted, 5.0 * wanted * std::sqrt(0.5 / count));
    };
    near(std::sqrt(squares / elements), 2.0 * 0.5 / 10.0, elements);
    near(std::sqrt(loss), 6.0 * 0.5 / 10.0, kRuns);
    near(std::sqrt(clipped), 9.0 * 0.5 / 10.0, kRuns);
}

TEST(HardenedStep, ReleasesTheScalarsOfItsUnits)
{
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    const StepNoise noise = noise_of(1e-6, 1e-6, 1e-6);
    StepSource steps(noise);
    const Rows rows = make_rows(model, 4, 1);
    const Oracle oracle = slow_gradients(model, rows);
    double loss = 0.0;
    for (const double one : oracle.losses)
        loss += std::clamp(one, 0.0, 1.0) - 0.5;
    GradTape tape(trained);
    for (const auto& [clip, share] : {std::pair{1e-3, 0.5}, {1e6, -0.5}}) {
        Clipper clipper = clipper_of(trained, clip, noise);
        auto drawn = draw(clipper, noise, 3);
        add_rows(model, rows, tape, clipper);
        const auto gradient =
            NoisyGradient::release(*clipper.finish(draw_of(4)), steps.next(), std::move(drawn));
        EXPECT_NEAR(*gradient.noised_loss(), loss / 10.0 + 0.5, 1e-5);
        EXPECT_NEAR(*gradient.noised_clipped_fraction(), 4.0 * share / 10.0 + 0.5, 1e-5);
    }
}

TEST(HardenedStep, IsReleasedOnlyByWhatItWasChargedFor)
{
    GTEST_FLAG_SET(death_test_style, "threadsafe"); // keys do not outlive a fork
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    const StepNoise noise = noise_of(2.0);
    const auto sum_of = [&] { return *clipper_of(trained, 0.5, noise).finish(draw_of(0)); };
    const auto noise_with = [&](double sigma) {
        return draw(clipper_of(trained, 0.5, noise), noise_of(sigma), 1);
    };
    StepSource hardened(noise), plain(2.0, 2.0);
    const auto key = core::StreamKey::reproducible(1);
    EXPECT_DEATH(NoisyGradient::release(sum_of(), hardened.next(), key), "is_hardened");
    EXPECT_DEATH(NoisyGradient::release(sum_of(), plain.next(), key), "hardened_");
    EXPECT_DEATH(NoisyGradient::release(sum_of(), plain.next(), noise_with(2.0)), "is_hardened");
    EXPECT_DEATH(NoisyGradient::release(sum_of(), hardened.next(), noise_with(1.99)), "sigma");
    Clipper other(trained, privacy::ClippingNorm::literal(0.5), kBatch);
    EXPECT_DEATH(
        NoisyGradient::release(*other.finish(draw_of(0)), hardened.next(), noise_with(2.0)),
        "hardened_");
}

} // namespace
} // namespace velamen::dpsgd::testing
