// SPDX-License-Identifier: GPL-3.0-or-later
//
// A private step of each selection, through the whole UNet, against a loop that differentiates one
// unit at a time in double; and what a selection keeps out of the backward pass.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/blocks.h"
#include "engine/diffusion/schedule.h"
#include "engine/diffusion/target.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/unet/model.h"
#include "engine/train/private/private_model.h"
#include "tests/engine/checkpoint/tiny_checkpoint.h"
#include "tests/engine/dpsgd/private_parts.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"
#include "tests/support/value.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;
using dpsgd::testing::PlainTap;

using test::value;

at::Tensor row_losses(checkpoint::Checkpoint& model, const Rows& rows)
{
    const auto& schedule = model.schedule();
    const auto noisy = diffusion::add_noise(schedule, rows.latents, rows.noise, rows.times);
    const auto wanted = diffusion::target(schedule, rows.latents, rows.noise, rows.times);
    const auto context = model.conditioner().forward(rows.classes);
    const auto predicted = model.unet().forward(noisy, rows.times.to(torch::kFloat), context);
    return (predicted - wanted).square().flatten(1).mean(1);
}

/// One autograd pass a unit, everything in double. Spoils the model for anything else.
dpsgd::testing::Oracle slow_loop(PrivateModel& model, const Rows& rows, std::int64_t per_unit)
{
    auto& checkpoint = model.checkpoint();
    checkpoint.unet().set_tap(nullptr);
    checkpoint.conditioner().set_tap(nullptr);
    checkpoint.unet().to(torch::kDouble);
    checkpoint.conditioner().to(torch::kDouble);
    std::vector<at::Tensor> tensors;
    for (const auto& entry : model.trained()) {
        tensors.push_back(entry.tensor); // low-rank factors are no module's
        tensors.back().set_data(entry.tensor.detach().to(torch::kDouble));
    }
    dpsgd::testing::Oracle oracle;
    for (std::int64_t u = 0; u < rows.times.size(0) / per_unit; ++u) {
        const auto part = [&](const at::Tensor& t) { return t.narrow(0, u * per_unit, per_unit); };
        const Rows one{part(rows.latents).to(torch::kDouble), part(rows.noise).to(torch::kDouble),
                       part(rows.times), part(rows.classes)};
        const auto loss = row_losses(checkpoint, one).mean();
        oracle.gradients.push_back(torch::autograd::grad({loss}, tensors));
        double squared = 0.0;
        for (const at::Tensor& g : oracle.gradients.back())
            squared += g.square().sum().item<double>();
        oracle.norms.push_back(std::sqrt(squared));
    }
    return oracle;
}

/// Both layouts of a transformer block: projections by linear layers and by convolutions.
enum class Layout { LinearProjections, Convolutions };

class Selections : public testing::Test {
protected:
    void SetUp() override
    {
        ASSERT_TRUE(test::write_tiny_checkpoint(folder(Layout::LinearProjections)));
        test::TinyCheckpoint().save(folder(Layout::Convolutions));
    }
    fs::path folder(Layout layout) const
    {
        return temp_.path() / (layout == Layout::LinearProjections ? "linear" : "conv");
    }
    TrainingPlan plan(Layout layout, const std::string& selection, bool train_conditioner) const
    {
        TrainingPlan out = test::tiny_plan(folder(layout), temp_.path() / "nothing", 120);
        out.selection = selection;
        out.train_conditioner = train_conditioner;
        return out;
    }
    std::unique_ptr<PrivateModel> model(const TrainingPlan& plan) const
    {
        auto made = value(PrivateModel::create(plan));
        const torch::NoGradGuard no_grad; // a B of zero would hide A's gradient
        torch::manual_seed(5);
        for (const auto& entry : made->trained())
            if (checkpoint::has_segment(entry.name, "lora_B"))
                at::Tensor(entry.tensor).normal_(0.0, 0.2);
        return made;
    }
    test::TempDir temp_;
};

class EverySelection : public Selections,
                       public testing::WithParamInterface<std::tuple<const char*, Layout, bool>> {};

// fp32 against double: 1e-5 relative. About half of the units are clipped.
TEST_P(EverySelection, APrivateStepEqualsTheLoopOverUnits)
{
    const auto& [selection, layout, train_conditioner] = GetParam();
    constexpr std::int64_t kUnits = 5, kPerUnit = 2;
    TrainingPlan p = plan(layout, selection, train_conditioner);
    const auto reference = model(p);
    const Rows rows = random_rows(reference->checkpoint(), kUnits * kPerUnit, 11);
    const auto oracle = slow_loop(*reference, rows, kPerUnit);
    p.optimiser.clipping_norm = oracle.median_norm();

    const auto fast = model(p);
    auto clipper = value(make_clipper(p, fast->trained()));
    const auto losses = fast->forward_backward(rows, kPerUnit);
    ASSERT_TRUE(clipper.add(fast->tape(), {.units = kUnits, .padded = 0}, losses));
    const auto sum = value(clipper.finish(dpsgd::testing::draw_of(kUnits)));
    const auto& sums = dpsgd::ClippedSumSeam::sums(sum);
    const auto expected = oracle.clipped_sum(p.optimiser.clipping_norm);
    ASSERT_EQ(sums.size(), expected.size());
    EXPECT_LE(dpsgd::testing::relative_error(sums, expected), 1e-5);
    for (std::size_t i = 0; i < sums.size(); ++i) {
        const std::string& name = fast->trained()[i].name;
        EXPECT_GT(expected[i].abs().max().item<double>(), 0.0) << name; // no dead tensor is left
        EXPECT_LE(dpsgd::testing::relative_error({sums[i]}, {expected[i]}), 1e-3) << name;
    }
}

INSTANTIATE_TEST_SUITE_P(
    AllOfThem, EverySelection,
    testing::Combine(testing::Values("attention", "attention:from=2", "qkvo", "cross", "lora:2",
                                     "lora:2:6", "full"),
                     testing::Values(Layout::LinearProjections, Layout::Convolutions),
                     testing::Bool()),
    [](const auto& which) {
        std::string name = std::get<0>(which.param);
        std::ranges::replace_if(
            name, [](char c) { return c == ':' || c == '='; }, '_');
        return name
            + (std::get<1>(which.param) == Layout::LinearProjections ? "_linear" : "_convolutions")
            + (std::get<2>(which.param) ? "_with_table" : "_without_table");
    });

TEST_F(Selections, FullTrainsEveryLayerOfTheUNetButDeadTensors)
{
    for (const Layout layout : {Layout::LinearProjections, Layout::Convolutions}) {
        const auto full = model(plan(layout, "full", true));
        std::vector<std::string> expected, names;
        for (const auto& item : full->checkpoint().unet().named_parameters())
            if (!checkpoint::is_dead_under_one_token(item.key()))
                expected.push_back("unet/" + item.key());
        expected.push_back("class_embedder/embedding.weight");
        for (const auto& entry : full->trained())
            names.push_back(entry.name);
        EXPECT_EQ(names, expected);
        EXPECT_EQ(full->trained_names(), expected);
    }
}

// A dead tensor may be trained by who insists: its sum is zero, noise is all it gets.
TEST_F(Selections, DeadTensorsContributeNothingWhenTheyAreKept)
{
    for (const char* selection : {"attention", "lora:2", "full"}) {
        TrainingPlan p = plan(Layout::Convolutions, selection, true);
        p.skip_dead = false;
        const auto kept = model(p);
        auto clipper = value(make_clipper(p, kept->trained()));
        const Rows rows = random_rows(kept->checkpoint(), 3, 1);
        ASSERT_TRUE(
            clipper.add(kept->tape(), {.units = 3, .padded = 0}, kept->forward_backward(rows, 1)));
        const auto sum = value(clipper.finish(dpsgd::testing::draw_of(3)));
        int dead = 0;
        for (std::size_t i = 0; i < kept->trained().size(); ++i) {
            const bool is_dead = checkpoint::is_dead_under_one_token(kept->trained()[i].name);
            const auto& one = dpsgd::ClippedSumSeam::sums(sum)[i];
            EXPECT_EQ(one.abs().sum().item<double>() == 0.0, is_dead) << kept->trained()[i].name;
            dead += is_dead ? 1 : 0;
        }
        EXPECT_EQ(dead, 7 * 4); // norm2 (2), to_q, to_k; or two factors of to_q and of to_k
    }
}

TEST_F(Selections, WithoutTheConditionerTheClassTableIsFrozen)
{
    const auto m = model(plan(Layout::Convolutions, "attention", false));
    for (const auto& entry : m->trained())
        EXPECT_TRUE(entry.name.starts_with("unet/")) << entry.name;
    for (const auto& parameter : m->checkpoint().conditioner().parameters())
        EXPECT_FALSE(parameter.requires_grad());
}

TEST_F(Selections, LowRankFactorsAreAllThatTrainsBesideTheTable)
{
    const auto m = model(plan(Layout::Convolutions, "lora:2", true));
    for (const auto& item : m->checkpoint().unet().named_parameters())
        EXPECT_FALSE(item.value().requires_grad()) << item.key();
    EXPECT_EQ(m->trained().size(), 7u * 6 * 2 + 1);
    EXPECT_EQ(m->trained_names().size(), 7u * 6 + 1);
    m->forward_backward(random_rows(m->checkpoint(), 2, 1), 1);
    for (const auto& item : m->checkpoint().unet().named_parameters())
        EXPECT_FALSE(item.value().grad().defined()) << item.key();
    m->tape().clear();
}

/// Whether the input of each watched layer takes part in backward, in the order of the calls.
class InputTap final : public nn::Tap {
public:
    std::vector<bool> inputs;

    at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) override
    {
        return see(x), plain_.linear(x, w, b);
    }
    at::Tensor conv1d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                      std::int64_t stride, std::int64_t padding) override
    {
        return see(x), plain_.conv1d(x, w, b, stride, padding);
    }
    at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                      std::int64_t stride, std::int64_t padding) override
    {
        return see(x), plain_.conv2d(x, w, b, stride, padding);
    }
    at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                          double eps) override
    {
        return see(x), plain_.layer_norm(x, w, b, eps);
    }
    at::Tensor group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& w,
                          const at::Tensor& b, double eps) override
    {
        return see(x), plain_.group_norm(x, groups, w, b, eps);
    }
    at::Tensor embedding(const at::Tensor& ids, const at::Tensor& w) override
    {
        return plain_.embedding(ids, w);
    }

private:
    void see(const at::Tensor& x) { inputs.push_back(x.requires_grad()); }
    PlainTap plain_;
};

/// Convolutions that backward would pass, torch's and frozen ones.
int convolutions_behind(const at::Tensor& loss)
{
    std::set<torch::autograd::Node*> seen;
    std::vector<torch::autograd::Node*> open{loss.grad_fn().get()};
    int count = 0;
    while (!open.empty()) {
        torch::autograd::Node* node = open.back();
        open.pop_back();
        if (node == nullptr || !seen.insert(node).second) continue;
        count += node->name().find("Conv") != std::string::npos ? 1 : 0;
        for (const auto& edge : node->next_edges())
            open.push_back(edge.function.get());
    }
    return count;
}

// Convolutions after a block, counted from the graph of the UNet: of up_blocks.1, a residual block
// has three (with its shortcut), then conv_out; before that an upsampler.
TEST_F(Selections, NothingBeforeTheFirstTrainedBlockTakesPartInBackward)
{
    const std::map<std::string, int> expected{{"attention:from=7", 1},
                                              {"attention:from=6", 1 + 3},
                                              {"attention:from=5", 1 + 3 + 3 + 1},
                                              {"attention:from=4", 1 + 3 + 3 + 1 + 3}};
    for (const auto& [selection, convolutions] : expected) {
        const auto m = model(plan(Layout::LinearProjections, selection, false));
        InputTap tap;
        m->checkpoint().unet().set_tap(&tap);
        const auto loss = row_losses(m->checkpoint(), random_rows(m->checkpoint(), 2, 1)).sum();
        ASSERT_FALSE(tap.inputs.empty());
        EXPECT_FALSE(tap.inputs.front()) << selection;
        EXPECT_EQ(convolutions_behind(loss), convolutions) << selection;
        m->checkpoint().unet().set_tap(nullptr);
    }
}

TEST_F(Selections, BadOnesAreRefusedByName)
{
    const std::map<std::string, std::string> wrong{{"attention:from=8", "attention:from=7"},
                                                   {"lora:0", "lora:1"},
                                                   {"lora:7", "lora:6"},
                                                   {"atention", "attention"}};
    for (const auto& [selection, nearest] : wrong) {
        const auto asked = forecast(plan(Layout::LinearProjections, selection, true));
        ASSERT_FALSE(asked) << selection;
        EXPECT_EQ(asked.error().code, ErrorCode::InvalidArgument);
        EXPECT_NE(asked.error().message.find("'" + selection + "'"), std::string::npos);
        EXPECT_NE(asked.error().hint.find("'" + nearest + "'"), std::string::npos);
        EXPECT_FALSE(PrivateModel::create(plan(Layout::LinearProjections, selection, true)));
    }
}

TEST_F(Selections, AForecastCountsWhatWillTrain)
{
    for (const char* selection : {"attention", "qkvo", "cross", "lora:2", "full"})
        for (const bool train_conditioner : {true, false}) {
            const auto p = plan(Layout::Convolutions, selection, train_conditioner);
            const auto m = model(p);
            std::int64_t count = 0;
            for (const auto& entry : m->trained())
                count += entry.tensor.numel();
            EXPECT_EQ(value(forecast(p)).trained_parameters, count) << selection;
        }
}

} // namespace
} // namespace velamen::train
