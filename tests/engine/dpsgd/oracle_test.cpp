// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every gradient rule, by either way of finding norms and in either precision, against a loop that
// differentiates one unit at a time in double.

#include <algorithm>
#include <cctype>
#include <numeric>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

constexpr auto kBatch = privacy::ExpectedBatch::literal(4.0);

struct Shape {
    std::int64_t units, images, draws;
};

/// Batch {1, 7} x images of a unit {1, 3} x draws of an image {1, 4}.
std::vector<Shape> shapes()
{
    std::vector<Shape> out;
    for (const std::int64_t units : {1, 7})
        for (const std::int64_t images : {1, 3})
            for (const std::int64_t draws : {1, 4})
                out.push_back({units, images, draws});
    return out;
}

std::string text(const Shape& shape)
{
    return std::to_string(shape.units) + " units of " + std::to_string(shape.images)
        + " images and " + std::to_string(shape.draws) + " draws";
}

class EveryRule : public ::testing::TestWithParam<std::tuple<std::size_t, NormPath>> {
protected:
    const Model& model() const { return all_models().at(std::get<0>(GetParam())); }
    NormPath path() const { return std::get<1>(GetParam()); }

    struct Outcome {
        std::vector<at::Tensor> sums;
        std::vector<double> norms; ///< as the engine found them
        std::vector<double> exact; ///< of what the rules were given
        double loss_sum = 0.0;
    };

    /// One step over these rows with one micro-batch.
    Outcome step(const Rows& rows, double clip) const
    {
        const TrainedTensors trained = model().trained();
        GradTape tape(trained);
        WatchingTap watching(tape);
        Clipper clipper(trained, *privacy::ClippingNorm::create(clip), kBatch, {.norms = path()});
        const at::Tensor losses = losses_of(model(), rows, watching);
        losses.sum().backward();
        Outcome outcome;
        const std::vector<std::int64_t> blocks(trained.size(), 0);
        const UnitFigures figures =
            unit_figures(tape, uses_of(tape), blocks, 1, losses.detach(), path());
        for (std::int64_t unit = 0; unit < rows.units; ++unit) {
            outcome.norms.push_back(figures.norm(unit));
            outcome.exact.push_back(watching.exact_norm(unit * rows.per_unit, rows.per_unit));
        }
        const auto added = clipper.add(tape, {rows.units}, losses);
        EXPECT_TRUE(added);
        const auto sum = clipper.finish(draw_of(rows.units));
        EXPECT_TRUE(sum);
        outcome.sums = ClippedSumSeam::sums(*sum);
        outcome.loss_sum = ClippedSumSeam::loss_sum(*sum);
        for (const auto& entry : trained)
            EXPECT_FALSE(entry.tensor.grad().defined()) << "a weight gradient was computed";
        return outcome;
    }
};

// 1e-5 relative: fp32 against double. About half of the units are clipped.
TEST_P(EveryRule, EqualsTheLoopOverUnits)
{
    for (const Shape& shape : shapes()) {
        SCOPED_TRACE(text(shape));
        const Rows rows = make_rows(model(), shape.units, shape.images, shape.draws);
        const Oracle oracle = slow_gradients(model(), rows);
        const double clip = oracle.median_norm();
        const Outcome outcome = step(rows, clip);
        EXPECT_LE(relative_error(outcome.sums, oracle.clipped_sum(clip)), 1e-5);
        double loss_sum = 0.0;
        for (std::size_t u = 0; u < oracle.norms.size(); ++u) {
            EXPECT_NEAR(outcome.norms[u], oracle.norms[u], 1e-4 * oracle.norms[u]);
            loss_sum += std::clamp(oracle.losses[u], 0.0, 1.0) - 0.5;
        }
        EXPECT_NEAR(outcome.loss_sum, loss_sum, 1e-5);
    }
}

// Activations in bf16, trained tensors in fp32. 2e-2 relative on the sum against exact activations;
// norms within the clip margin of 1e-3 of what the rounded activations and gradients give.
TEST_P(EveryRule, KeepsNormsExactWhenActivationsAreBf16)
{
    for (const Shape& shape : shapes()) {
        SCOPED_TRACE(text(shape));
        Rows rows = make_rows(model(), shape.units, shape.images, shape.draws);
        rows.x = rows.x.to(torch::kBFloat16);
        const Oracle oracle = slow_gradients(model(), rows);
        const double clip = oracle.median_norm();
        const Outcome outcome = step(rows, clip);
        EXPECT_LE(relative_error(outcome.sums, oracle.clipped_sum(clip)), 2e-2);
        for (std::size_t u = 0; u < outcome.norms.size(); ++u)
            EXPECT_NEAR(outcome.norms[u], outcome.exact[u], 1e-3 * outcome.exact[u]);
        for (const at::Tensor& sum : outcome.sums)
            EXPECT_EQ(sum.scalar_type(), torch::kFloat);
    }
}

TEST_P(EveryRule, GivesZerosForAnEmptyDraw)
{
    const TrainedTensors trained = model().trained();
    Clipper clipper(trained, privacy::ClippingNorm::literal(1.0), kBatch, {.norms = path()});
    const auto sum = clipper.finish(draw_of(0));
    ASSERT_TRUE(sum);
    const auto& sums = ClippedSumSeam::sums(*sum);
    ASSERT_EQ(sums.size(), trained.size());
    for (std::size_t i = 0; i < sums.size(); ++i) {
        EXPECT_EQ(sums[i].sizes(), trained[i].tensor.sizes());
        EXPECT_EQ(sums[i].abs().sum().item<double>(), 0.0);
    }
}

std::string name_of_case(const ::testing::TestParamInfo<EveryRule::ParamType>& info)
{
    std::string name = all_models().at(std::get<0>(info.param)).name;
    const NormPath path = std::get<1>(info.param);
    name += path == NormPath::Cheaper ? " cheaper"
        : path == NormPath::Gram      ? " by Gram"
                                      : " formed";
    for (char& c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(Layers, EveryRule,
                         ::testing::Combine(::testing::Range<std::size_t>(0, kModels),
                                            ::testing::Values(NormPath::Cheaper, NormPath::Gram,
                                                              NormPath::Instantiate)),
                         name_of_case);

TEST(EveryRule, IsInTheGrid) { EXPECT_EQ(all_models().size(), kModels); }

} // namespace
} // namespace velamen::dpsgd::testing
