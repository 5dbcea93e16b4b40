// SPDX-License-Identifier: GPL-3.0-or-later
//
// A unit whose rows come in several passes is the unit whose rows come in one.

#include <limits>

#include <gtest/gtest.h>

#include "engine/dpsgd/optimiser.h"
#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

constexpr auto kBatch = privacy::ExpectedBatch::literal(4.0);
constexpr std::int64_t kUnitRows = 12; // 3 images, 4 draws

privacy::ClippingNorm clipping(double value) { return *privacy::ClippingNorm::create(value); }

Result<> add_pass(const Model& model, const Rows& unit, std::int64_t first, std::int64_t count,
                  GradTape& tape, Clipper& clipper)
{
    const at::Tensor out = model.forward(model.parameters, unit.x.narrow(0, first, count),
                                         unit.ids.narrow(0, first, count), tape);
    const at::Tensor loss = part_loss(row_losses(out), unit.per_unit);
    loss.backward();
    return clipper.add_part(tape, {.rows = count, .unit_rows = unit.per_unit}, loss);
}

/// Unit by unit, each in passes of these many rows.
void add_in_passes(const Model& model, const Rows& rows, const std::vector<std::int64_t>& passes,
                   GradTape& tape, Clipper& clipper)
{
    for (std::int64_t unit = 0; unit < rows.units; ++unit) {
        std::int64_t first = 0;
        for (const std::int64_t count : passes) {
            const auto added = add_pass(model, rows.part(unit, 1), first, count, tape, clipper);
            ASSERT_TRUE(added) << added.error().message;
            first += count;
        }
    }
}

TrainedTensors in_two_blocks(const Model& model)
{
    TrainedTensors trained = model.trained();
    for (std::size_t i = 0; i < trained.size(); ++i)
        trained[i].block = static_cast<int>(i) % 2;
    return trained;
}

// Cross terms of all rows are in the norm: the parts' gradients are summed before it is taken.
TEST(UnitPart, SeveralPassesEqualOne)
{
    for (const auto style :
         {ClippingStyle::Flat, ClippingStyle::PerBlock, ClippingStyle::Automatic})
        for (const Model& model : all_models()) {
            const Rows rows = make_rows(model, 3, 3, 4);
            const double clip =
                style == ClippingStyle::Automatic ? 1.0 : slow_gradients(model, rows).median_norm();
            const TrainedTensors trained = in_two_blocks(model);
            GradTape tape(trained);
            Clipper clipper(trained, clipping(clip), kBatch, {.style = style});
            add_rows(model, rows, tape, clipper);
            const PrivateView whole_view = clipper.private_view();
            const auto whole = clipper.finish(draw_of(3));
            ASSERT_TRUE(whole);
            add_in_passes(model, rows, {5, 4, 3}, tape, clipper);
            EXPECT_NEAR(clipper.private_view().mean_norm, whole_view.mean_norm,
                        1e-5 * whole_view.mean_norm);
            EXPECT_EQ(clipper.private_view().clipped_fraction, whole_view.clipped_fraction);
            const auto parts = clipper.finish(draw_of(3));
            ASSERT_TRUE(parts);
            EXPECT_LE(relative_error(ClippedSumSeam::sums(*parts), ClippedSumSeam::sums(*whole)),
                      1e-6)
                << model.name;
            EXPECT_NEAR(ClippedSumSeam::loss_sum(*parts), ClippedSumSeam::loss_sum(*whole), 1e-6);
        }
}

TEST(UnitPart, MixesWithMicroBatches)
{
    const Model model = attention_network();
    const Rows rows = make_rows(model, 4, 3, 4);
    const double clip = slow_gradients(model, rows).median_norm();
    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(clip), kBatch);
    add_rows(model, rows, tape, clipper);
    const auto whole = clipper.finish(draw_of(4));
    add_rows(model, rows.part(0, 2), tape, clipper);
    add_in_passes(model, rows.part(2, 1), {1, 11}, tape, clipper);
    add_rows(model, rows.part(3, 1), tape, clipper);
    const auto mixed = clipper.finish(draw_of(4));
    ASSERT_TRUE(whole && mixed);
    EXPECT_LE(relative_error(ClippedSumSeam::sums(*mixed), ClippedSumSeam::sums(*whole)), 1e-6);
}

TEST(UnitPart, IsTheSameOnTheIntegerGrid)
{
    const privacy::StepNoise tiny{privacy::NoiseMultiplier::literal(1e-9)};
    const Model model = attention_network();
    const Rows rows = make_rows(model, 2, 3, 4);
    const double clip = slow_gradients(model, rows).median_norm();
    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    Clipper plain(trained, clipping(clip), kBatch);
    add_rows(model, rows, tape, plain);
    const auto wanted = plain.finish(draw_of(2));
    ASSERT_TRUE(wanted);
    Clipper clipper = Clipper::hardened(trained, clipping(clip), kBatch, tiny).value();
    auto noise =
        privacy::GridNoise::draw(clipper.grid(), joint_noise(tiny),
                                 core::SecureStream(core::StreamKey::reproducible(1), 0, 0));
    ASSERT_TRUE(noise);
    add_in_passes(model, rows, {6, 6}, tape, clipper);
    auto sum = clipper.finish(draw_of(2));
    ASSERT_TRUE(sum);
    StepSource steps(tiny);
    Optimiser optimiser(trained, {.beta1 = 0.0});
    ASSERT_TRUE(
        optimiser.step(NoisyGradient::release(std::move(*sum), steps.next(), std::move(*noise))));
    std::vector<at::Tensor> released;
    for (const auto& [name, tensor] : optimiser.export_state())
        if (name.starts_with("exp_avg.")) released.push_back(tensor * kBatch.value());
    EXPECT_LE(relative_error(released, ClippedSumSeam::sums(*wanted)), 1e-4);
}

TEST(UnitPart, OneValueThatIsNotFiniteTakesTheWholeUnitOut)
{
    const Model model = attention_network();
    for (const std::int64_t bad_row : {0, 11}) { // in the first pass, in the last
        const Rows rows = make_rows(model, 3, 3, 4);
        const double clip = slow_gradients(model, rows).median_norm();
        const TrainedTensors trained = model.trained();
        GradTape tape(trained);
        Clipper clipper(trained, clipping(clip), kBatch);
        add_rows(model, rows.part(0, 1), tape, clipper);
        add_rows(model, rows.part(2, 1), tape, clipper);
        const auto others = clipper.finish(draw_of(2));
        ASSERT_TRUE(others);

        rows.x.select(0, kUnitRows + bad_row).view(-1)[0] = std::numeric_limits<float>::quiet_NaN();
        add_in_passes(model, rows, {5, 7}, tape, clipper);
        EXPECT_EQ(clipper.private_view().non_finite, 1);
        const auto sum = clipper.finish(draw_of(3));
        ASSERT_TRUE(sum);
        EXPECT_LE(relative_error(ClippedSumSeam::sums(*sum), ClippedSumSeam::sums(*others)), 1e-6);
    }
}

TEST(UnitPart, AStepWhoseUnitLacksRowsIsNotWhole)
{
    const Model model = attention_network();
    const Rows rows = make_rows(model, 2, 3, 4);
    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    Clipper clipper(trained, clipping(1.0), kBatch);
    ASSERT_TRUE(add_pass(model, rows.part(0, 1), 0, 5, tape, clipper));
    EXPECT_FALSE(clipper.finish(draw_of(0)));
    EXPECT_TRUE(clipper.finish(draw_of(0))) << "a refused step leaves nothing behind";

    ASSERT_TRUE(add_pass(model, rows.part(0, 1), 0, 5, tape, clipper));
    const at::Tensor losses = losses_of(model, rows.part(1, 1), tape);
    losses.sum().backward();
    const auto next = clipper.add(tape, {1}, losses);
    ASSERT_FALSE(next) << "the next unit before the last is whole";
    EXPECT_EQ(next.error().code, ErrorCode::Internal);
    tape.clear();
    clipper.reset();

    ASSERT_TRUE(add_pass(model, rows.part(0, 1), 0, 7, tape, clipper));
    EXPECT_FALSE(add_pass(model, rows.part(0, 1), 0, 6, tape, clipper)) << "13 rows of 12";
    EXPECT_FALSE(clipper.finish(draw_of(1)));
}

} // namespace
} // namespace velamen::dpsgd::testing
