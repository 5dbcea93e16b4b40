// SPDX-License-Identifier: GPL-3.0-or-later
//
// Clipping per block and by normalising, against the loop over units in double.

#include <algorithm>
#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "engine/dpsgd/optimiser.h"
#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

constexpr auto kBatch = privacy::ExpectedBatch::literal(10.0);
constexpr int kBlocks = 3;

privacy::ClippingNorm clipping(double value) { return *privacy::ClippingNorm::create(value); }

/// Tensors in turn belong to blocks 0, 1, 2; models with fewer tensors leave blocks empty, but for
/// the last tensor, which is always in block 2.
TrainedTensors in_blocks(const Model& model)
{
    TrainedTensors trained = model.trained();
    for (std::size_t i = 0; i < trained.size(); ++i)
        trained[i].block = static_cast<int>(i) % kBlocks;
    trained.back().block = kBlocks - 1;
    return trained;
}

double block_norm(const Oracle& oracle, const TrainedTensors& trained, std::size_t unit, int block)
{
    double squared = 0.0;
    for (std::size_t i = 0; i < trained.size(); ++i)
        if (trained[i].block == block)
            squared += oracle.gradients[unit][i].square().sum().item<double>();
    return std::sqrt(squared);
}

std::vector<at::Tensor> expected_sum(const Oracle& oracle, const TrainedTensors& trained,
                                     ClippingStyle style, double clip)
{
    return oracle.weighted_sum([&](std::size_t unit, std::size_t tensor) {
        if (style == ClippingStyle::Automatic)
            return 1.0 / (oracle.norms[unit] * (1.0 + 1e-3) + 0.01);
        if (style == ClippingStyle::Flat) return clip_factor(oracle.norms[unit], clip);
        return clip_factor(block_norm(oracle, trained, unit, trained[tensor].block),
                           clip / std::sqrt(3.0));
    });
}

double length(const std::vector<at::Tensor>& parts)
{
    double squared = 0.0;
    for (const at::Tensor& part : parts)
        squared += part.to(torch::kDouble).square().sum().item<double>();
    return std::sqrt(squared);
}

class EveryStyle : public ::testing::TestWithParam<ClippingStyle> {
protected:
    double clip_for(const Oracle& oracle) const
    {
        return GetParam() == ClippingStyle::Automatic ? 1.0 : oracle.median_norm();
    }

    std::vector<at::Tensor> sum_of(const Model& model, const Rows& rows, double clip,
                                   const std::vector<std::int64_t>& micro_batches) const
    {
        const TrainedTensors trained = in_blocks(model);
        GradTape tape(trained);
        Clipper clipper(trained, clipping(clip), kBatch, {.style = GetParam()});
        std::int64_t first = 0;
        for (const std::int64_t count : micro_batches) {
            add_rows(model, rows.part(first, count), tape, clipper);
            first += count;
        }
        return ClippedSumSeam::sums(*clipper.finish(draw_of(first)));
    }
};

std::string name_of_style(const ::testing::TestParamInfo<ClippingStyle>& info)
{
    switch (info.param) {
    case ClippingStyle::Flat:
        return "Flat";
    case ClippingStyle::PerBlock:
        return "PerBlock";
    case ClippingStyle::Automatic:
        break;
    }
    return "Automatic";
}

INSTANTIATE_TEST_SUITE_P(Styles, EveryStyle,
                         ::testing::Values(ClippingStyle::Flat, ClippingStyle::PerBlock,
                                           ClippingStyle::Automatic),
                         name_of_style);

TEST_P(EveryStyle, EqualsTheLoopOverUnits)
{
    for (const Model& model : all_models()) {
        const Rows rows = make_rows(model, 5, 2);
        const Oracle oracle = slow_gradients(model, rows);
        const double clip = clip_for(oracle);
        EXPECT_LE(relative_error(sum_of(model, rows, clip, {5}),
                                 expected_sum(oracle, in_blocks(model), GetParam(), clip)),
                  1e-5)
            << model.name;
    }
}

TEST_P(EveryStyle, DoesNotDependOnMicroBatches)
{
    const Model model = attention_network();
    const Rows rows = make_rows(model, 7, 3, 2);
    const double clip = clip_for(slow_gradients(model, rows));
    const auto whole = sum_of(model, rows, clip, {7});
    EXPECT_LE(relative_error(sum_of(model, rows, clip, {3, 3, 1}), whole), 1e-6);
    EXPECT_LE(relative_error(sum_of(model, rows, clip, {1, 1, 1, 1, 1, 1, 1}), whole), 1e-6);
}

// Sensitivity: no unit moves the sum by more than C, however long its gradient is.
TEST_P(EveryStyle, BoundsEveryContributionByTheClippingNorm)
{
    Model model = attention_network();
    const Rows rows = make_rows(model, 7, 1);
    const double clip = GetParam() == ClippingStyle::Automatic ? 1.0 : 1e-3;
    for (at::Tensor& p : model.parameters)
        p = p * 3.0; // long gradients
    for (std::int64_t u = 0; u < 7; ++u) {
        const double moved = length(sum_of(model, rows.part(u, 1), clip, {1}));
        EXPECT_LE(moved, clip);
        EXPECT_GE(moved, 0.9 * clip);
    }
}

TEST_P(EveryStyle, IsTheSameOnTheIntegerGrid)
{
    const privacy::StepNoise tiny{privacy::NoiseMultiplier::literal(1e-9)};
    const Model model = attention_network();
    const Rows rows = make_rows(model, 5, 2);
    const double clip = clip_for(slow_gradients(model, rows));
    const auto wanted = sum_of(model, rows, clip, {5}); // the optimiser moves the weights
    const TrainedTensors trained = in_blocks(model);
    GradTape tape(trained);
    Clipper clipper =
        Clipper::hardened(trained, clipping(clip), kBatch, tiny, {.style = GetParam()}).value();
    auto noise =
        privacy::GridNoise::draw(clipper.grid(), joint_noise(tiny),
                                 core::SecureStream(core::StreamKey::reproducible(1), 0, 0));
    ASSERT_TRUE(noise);
    add_rows(model, rows, tape, clipper);
    auto sum = clipper.finish(draw_of(5));
    ASSERT_TRUE(sum);
    StepSource steps(tiny);
    Optimiser optimiser(trained, {.beta1 = 0.0});
    ASSERT_TRUE(
        optimiser.step(NoisyGradient::release(std::move(*sum), steps.next(), std::move(*noise))));
    std::vector<at::Tensor> released;
    for (const auto& [name, tensor] : optimiser.export_state())
        if (name.starts_with("exp_avg.")) released.push_back(tensor * kBatch.value());
    EXPECT_LE(relative_error(released, wanted), 1e-4);
}

TEST(ClippingPerBlock, CountsAUnitAsClippedWhenAnyBlockIs)
{
    const Model model = attention_network();
    const TrainedTensors trained = in_blocks(model);
    const Rows rows = make_rows(model, 6, 1);
    const Oracle oracle = slow_gradients(model, rows);
    // Between the shares of the units' longest blocks: some units are clipped, some are not.
    std::vector<double> longest;
    for (std::size_t u = 0; u < 6; ++u) {
        double norm = 0.0;
        for (int block = 0; block < kBlocks; ++block)
            norm = std::max(norm, block_norm(oracle, trained, u, block));
        longest.push_back(norm);
    }
    std::sort(longest.begin(), longest.end());
    const double clip = std::sqrt(3.0) * 0.5 * (longest[3] + longest[4]);
    GradTape tape(trained);
    Clipper clipper(trained, clipping(clip), kBatch, {.style = ClippingStyle::PerBlock});
    add_rows(model, rows, tape, clipper);
    EXPECT_NEAR(clipper.private_view().clipped_fraction, 2.0 / 6.0, 1e-12);
    StepSource steps(1.0, 1.0);
    steps.release_clipped_fraction(1e-6);
    auto sum = clipper.finish(draw_of(6));
    ASSERT_TRUE(sum);
    const auto released =
        NoisyGradient::release(std::move(*sum), steps.next(), core::StreamKey::reproducible(3));
    // Two clipped, four not, over a batch of ten: (2 - 3) / 10 + 1/2.
    EXPECT_NEAR(*released.noised_clipped_fraction(), 0.4, 1e-5);
}

TEST(AutomaticClipping, HasNoClippedFractionToRelease)
{
    GTEST_FLAG_SET(death_test_style, "threadsafe"); // keys do not outlive a fork
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    const ClipOptions automatic{.style = ClippingStyle::Automatic};
    StepSource steps(1.0, 1.0);
    steps.release_clipped_fraction(6.0);
    const auto key = core::StreamKey::reproducible(3);
    const auto release = [&] {
        Clipper clipper(trained, clipping(1.0), kBatch, automatic);
        NoisyGradient::release(*clipper.finish(draw_of(0)), steps.next(), key);
    };
    EXPECT_DEATH(release(), "clipped_sum_");
    const privacy::StepNoise noise{.gradient = privacy::NoiseMultiplier::literal(1.0),
                                   .clipped_fraction = privacy::NoiseMultiplier::literal(6.0)};
    EXPECT_DEATH((void)Clipper::hardened(trained, clipping(1.0), kBatch, noise, automatic),
                 "clipped_fraction");
    EXPECT_DEATH(Clipper(trained, clipping(2.0), kBatch, automatic), "Automatic");
}

} // namespace
} // namespace velamen::dpsgd::testing
