// SPDX-License-Identifier: GPL-3.0-or-later
//
// The clipped sum against a loop that differentiates one unit at a time in double.

#include "engine/dpsgd/clipper.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

constexpr auto kBatch = privacy::ExpectedBatch::literal(4.0);

privacy::ClippingNorm clipping(double value) { return *privacy::ClippingNorm::create(value); }

class EveryModel : public ::testing::TestWithParam<std::tuple<std::size_t, int, int>> {
protected:
    Model model_ = all_models().at(std::get<0>(GetParam()));
    std::int64_t units_ = std::get<1>(GetParam());
    std::int64_t rows_per_unit_ = std::get<2>(GetParam());
};

// 1e-5 relative: fp32 against double. About half of the units are clipped.
TEST_P(EveryModel, ClippedSumEqualsTheLoopOverUnits)
{
    const Rows rows = make_rows(model_, units_, rows_per_unit_);
    const Oracle oracle = slow_gradients(model_, rows);
    const double clip = oracle.median_norm();
    const TrainedTensors trained = model_.trained();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(clip), kBatch);
    add_rows(model_, rows, tape, clipper);
    const PrivateView view = clipper.private_view();
    const auto sum = clipper.finish(draw_of(units_));
    ASSERT_TRUE(sum) << sum.error().message;

    const auto& sums = ClippedSumSeam::sums(*sum);
    ASSERT_EQ(sums.size(), trained.size());
    if (units_ == 0) {
        for (std::size_t i = 0; i < sums.size(); ++i) {
            EXPECT_EQ(sums[i].sizes(), trained[i].tensor.sizes());
            EXPECT_EQ(sums[i].abs().sum().item<double>(), 0.0);
        }
        return;
    }
    EXPECT_LE(relative_error(sums, oracle.clipped_sum(clip)), 1e-5) << model_.name;
    double mean_norm = 0.0, loss_sum = 0.0;
    for (std::size_t u = 0; u < oracle.norms.size(); ++u) {
        mean_norm += oracle.norms[u] / static_cast<double>(units_);
        loss_sum += std::clamp(oracle.losses[u], 0.0, 1.0) - 0.5;
    }
    EXPECT_NEAR(view.mean_norm, mean_norm, 1e-4 * mean_norm);
    EXPECT_NEAR(ClippedSumSeam::loss_sum(*sum), loss_sum, 1e-5);
    for (const auto& [name, tensor, scale] : trained)
        EXPECT_FALSE(tensor.grad().defined()) << "a weight gradient was computed";
}

std::string name_of_case(const ::testing::TestParamInfo<EveryModel::ParamType>& info)
{
    std::string name = all_models().at(std::get<0>(info.param)).name + " units "
        + std::to_string(std::get<1>(info.param)) + " rows "
        + std::to_string(std::get<2>(info.param));
    for (char& c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(Layers, EveryModel,
                         ::testing::Combine(::testing::Range<std::size_t>(0, 11),
                                            ::testing::Values(0, 1, 7), ::testing::Values(1, 3)),
                         name_of_case);

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

// Token gradients that cancel: Gram matrices alone would report a norm near zero.
TEST(Clipper, CancellingTokensAreNotUnderestimated)
{
    torch::manual_seed(5);
    const at::Tensor a = torch::randn({1, 1, 64}).expand({2, 8, 64}).contiguous();
    at::Tensor g = torch::randn({2, 8, 64});
    g.sub_(g.mean(1, true)); // sum over tokens is zero up to rounding
    g.select(1, 0).add_(1e-4 * torch::randn({2, 64}));
    const at::Tensor exact =
        at::bmm(g.to(torch::kDouble).transpose(1, 2), a.to(torch::kDouble)).square().sum({1, 2});
    GramCache cache;
    const at::Tensor squared = product_squared_norms(a, g, cache);
    EXPECT_TRUE(at::allclose(squared, exact, 2e-3, 0.0)) << squared << exact;
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
