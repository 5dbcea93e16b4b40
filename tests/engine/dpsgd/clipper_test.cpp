// SPDX-License-Identifier: GPL-3.0-or-later
//
// The clipped sum against a loop that differentiates one unit at a time in double.

#include "engine/dpsgd/clipper.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

constexpr auto kBatch = privacy::ExpectedBatch::literal(4.0);

privacy::ClippingNorm clipping(double value) { return *privacy::ClippingNorm::create(value); }

std::vector<at::Tensor> sum_in_parts(const Model& model, const Rows& rows, double clip,
                                     const std::vector<std::int64_t>& parts)
{
    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(clip), kBatch);
    std::int64_t first = 0;
    for (const std::int64_t count : parts) {
        add_rows(model, rows.part(first, count), tape, clipper);
        first += count;
    }
    return ClippedSumSeam::sums(*clipper.finish(draw_of(rows.units)));
}

TEST(Clipper, MicroBatchesDoNotChangeTheSum)
{
    const Model model = attention_network();
    const Rows rows = make_rows(model, 7, 3);
    const double clip = slow_gradients(model, rows).median_norm();
    const auto whole = sum_in_parts(model, rows, clip, {7});
    EXPECT_LE(relative_error(sum_in_parts(model, rows, clip, {3, 4}), whole), 1e-6);
    EXPECT_LE(relative_error(sum_in_parts(model, rows, clip, {1, 1, 1, 1, 1, 1, 1}), whole), 1e-6);
}

TEST(Clipper, PaddedUnitsContributeNothingEvenWhenTheyAreNotFinite)
{
    const Model model = attention_network();
    const Rows rows = make_rows(model, 5, 2);
    const double clip = slow_gradients(model, rows.part(0, 3)).median_norm();
    const auto wanted = sum_in_parts(model, rows.part(0, 3), clip, {3});
    rows.x.narrow(0, 8, 2).fill_(std::numeric_limits<float>::quiet_NaN());

    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(clip), kBatch);
    add_rows(model, rows, tape, clipper, 2);
    EXPECT_EQ(clipper.private_view().units, 3);
    const auto sum = clipper.finish(draw_of(3));
    ASSERT_TRUE(sum);
    EXPECT_LE(relative_error(ClippedSumSeam::sums(*sum), wanted), 1e-6);
}

TEST(Clipper, AUnitWithANonFiniteValueContributesNothing)
{
    for (const Model& model : all_models()) {
        const Rows rows = make_rows(model, 4, 2);
        const Oracle oracle = slow_gradients(model, rows);
        const double clip = oracle.median_norm();
        // Unit 1 is broken in its second row only.
        rows.x.select(0, 3).view(-1)[0] = std::numeric_limits<float>::infinity();
        Oracle others = oracle;
        others.gradients.erase(others.gradients.begin() + 1);
        others.norms.erase(others.norms.begin() + 1);

        const TrainedTensors trained = model.trained();
        GradTape tape(trained);
        Clipper clipper(trained, clipping(clip), kBatch);
        add_rows(model, rows, tape, clipper);
        EXPECT_EQ(clipper.private_view().non_finite, 1) << model.name;
        const auto sum = clipper.finish(draw_of(4));
        ASSERT_TRUE(sum);
        EXPECT_LE(relative_error(ClippedSumSeam::sums(*sum), others.clipped_sum(clip)), 1e-5)
            << model.name;
    }
}

// Token gradients that cancel: Gram matrices alone would report a norm near zero. Unit 1 does not
// cancel; its norm stays that of its Gram matrices.
TEST(Clipper, CancellingTokensAreNotUnderestimated)
{
    torch::manual_seed(5);
    const at::Tensor a = torch::randn({1, 1, 64}).expand({3, 8, 64}).contiguous();
    at::Tensor g = torch::randn({3, 8, 64});
    const at::Tensor mean =
        g.mean(1, true); // without it the sum over tokens is zero but for rounding
    mean[1].zero_();
    g.sub_(mean).select(1, 0).add_(1e-4 * torch::randn({3, 64}));
    const at::Tensor exact =
        at::bmm(g.to(torch::kDouble).transpose(1, 2), a.to(torch::kDouble)).square().sum({1, 2});

    const TrainedTensors trained{{"w", torch::zeros({64, 64}).requires_grad_(true)}};
    GradTape tape(trained);
    const at::Tensor losses = (tape.linear(a, trained[0].tensor, {}) * g).sum({1, 2});
    losses.sum().backward();
    const std::vector<std::int64_t> blocks{0};
    for (const NormPath path : {NormPath::Cheaper, NormPath::Gram, NormPath::Instantiate}) {
        const UnitFigures figures =
            unit_figures(tape, uses_of(tape), blocks, 1, losses.detach(), path);
        for (std::int64_t unit = 0; unit < 3; ++unit)
            EXPECT_NEAR(figures.squared_norm(0, unit), exact[unit].item<double>(),
                        2e-3 * exact[unit].item<double>());
    }
}

TEST(Clipper, EveryContributionStaysBelowTheClippingNorm)
{
    const Model model = attention_network();
    const Rows rows = make_rows(model, 7, 1);
    for (std::int64_t u = 0; u < 7; ++u) {
        const auto sum = sum_in_parts(model, rows.part(u, 1), 1e-3, {1});
        double squared = 0.0;
        for (const at::Tensor& part : sum)
            squared += part.to(torch::kDouble).square().sum().item<double>();
        EXPECT_LE(std::sqrt(squared), 1e-3);
        EXPECT_GE(std::sqrt(squared), 0.9e-3);
    }
}

// A retry must not add the same units twice: whoever goes on after an error begins anew.
TEST(Clipper, AnErrorCannotBeMadeGoodByAddingMore)
{
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(1.0), kBatch);
    const Rows rows = make_rows(model, 2, 1);
    EXPECT_FALSE(clipper.add(tape, {3}, torch::zeros({2}))) << "three units, two losses";
    add_rows(model, rows, tape, clipper);
    EXPECT_FALSE(clipper.finish(draw_of(2)));
    EXPECT_FALSE(clipper.add(tape, {3}, torch::zeros({2})));
    clipper.reset();
    add_rows(model, rows, tape, clipper);
    EXPECT_TRUE(clipper.finish(draw_of(2)));
}

TEST(Clipper, RefusesToEndAStepThatLacksUnitsOfTheDraw)
{
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(1.0), kBatch);
    add_rows(model, make_rows(model, 3, 1), tape, clipper);
    EXPECT_FALSE(clipper.finish(draw_of(4)));
    EXPECT_TRUE(clipper.finish(draw_of(0))) << "a refused step leaves nothing behind";
}

TEST(Clipper, RefusesAGradientThatWentAroundTheTape)
{
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(1.0), kBatch);
    const Rows rows = make_rows(model, 2, 1);
    const at::Tensor losses = row_losses(model.forward(model.parameters, rows.x, rows.ids, tape))
        + 1e-3 * model.parameters[0].sum(); // a use that no layer reports
    losses.sum().backward();
    const auto added = clipper.add(tape, {2}, losses);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, ErrorCode::Refused);
    EXPECT_FALSE(clipper.finish(draw_of(0))) << "the step is lost";
}

TEST(Clipper, RefusesATrainableTensorThatIsNotSelected)
{
    const Model model = attention_network();
    TrainedTensors trained = model.trained();
    trained.pop_back();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(1.0), kBatch);
    EXPECT_THROW(add_rows(model, make_rows(model, 2, 1), tape, clipper), std::runtime_error);
}

} // namespace
} // namespace velamen::dpsgd::testing
