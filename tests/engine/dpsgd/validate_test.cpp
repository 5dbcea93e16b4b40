// SPDX-License-Identifier: GPL-3.0-or-later
//
// Each check of validate.h against one model that breaks its rule and one that does not.

#include "engine/dpsgd/validate.h"

#include <cmath>

#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/instancenorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

TrainedTensors all_parameters(const torch::nn::Module& module)
{
    TrainedTensors out;
    for (const auto& item : module.named_parameters())
        out.push_back({item.key(), item.value()});
    return out;
}

TEST(Validate, RefusesABatchNorm)
{
    const torch::nn::Sequential good(torch::nn::Linear(4, 4), torch::nn::GroupNorm(2, 4));
    const torch::nn::Sequential bad(torch::nn::Linear(4, 4), torch::nn::BatchNorm1d(4));
    EXPECT_TRUE(check_module(*good, all_parameters(*good)));
    const auto refused = check_module(*bad, all_parameters(*bad));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
}

/// Nothing in its name or type tells that it looks across the batch.
struct CenterImpl : torch::nn::Module {
    at::Tensor forward(const at::Tensor& x) { return x - x.mean(0, true); }
};
TORCH_MODULE(Center);

TEST(Validate, RefusesALayerThatMixesSamplesUnderAnyName)
{
    torch::manual_seed(4);
    const at::Tensor pool = torch::randn({3, 4});
    torch::nn::Sequential good(torch::nn::Linear(4, 4), torch::nn::GroupNorm(2, 4));
    torch::nn::Sequential bad(torch::nn::Linear(4, 4), Center());
    const auto check = [&](torch::nn::Sequential& model) {
        return check_independence([&](const at::Tensor& rows) {
            return row_losses(model->forward(pool.index_select(0, rows)));
        });
    };
    EXPECT_TRUE(check(good));
    const auto refused = check(bad);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    EXPECT_FALSE(check_independence([](const at::Tensor& rows) {
        return torch::full(rows.sizes(), std::nan(""));
    })) << "a loss that is no number shows nothing";
}

TEST(Validate, NamesEveryKindOfLayerThatRemembersABatch)
{
    const auto refuses = [](const torch::nn::Sequential& model) {
        const auto refused = check_module(*model, all_parameters(*model));
        return !refused && refused.error().message.find("layer 1 ") != std::string::npos;
    };
    using torch::nn::Sequential;
    const torch::nn::Conv2d conv(torch::nn::Conv2dOptions(2, 4, 1));
    EXPECT_TRUE(refuses(Sequential(conv, torch::nn::BatchNorm1d(4))));
    EXPECT_TRUE(refuses(Sequential(conv, torch::nn::BatchNorm2d(4))));
    EXPECT_TRUE(refuses(Sequential(conv, torch::nn::BatchNorm3d(4))));
    const auto tracking = torch::nn::InstanceNorm2dOptions(4).track_running_stats(true);
    EXPECT_TRUE(refuses(Sequential(conv, torch::nn::InstanceNorm2d(tracking))));
    EXPECT_FALSE(refuses(Sequential(conv, torch::nn::InstanceNorm2d(4))));
}

TEST(Validate, RefusesATrainableParameterOutsideTheSelection)
{
    const torch::nn::Sequential model(torch::nn::Linear(4, 4), torch::nn::Linear(4, 4));
    TrainedTensors trained = all_parameters(*model);
    const at::Tensor last = trained.back().tensor;
    trained.pop_back();
    EXPECT_FALSE(check_module(*model, trained));
    last.set_requires_grad(false);
    EXPECT_TRUE(check_module(*model, trained));
}

TEST(Validate, RefusesAModelThatMixesTypes)
{
    torch::nn::Sequential model(torch::nn::Linear(4, 4), torch::nn::Linear(4, 4));
    model->ptr(1)->to(torch::kBFloat16);
    const auto refused = check_module(*model, all_parameters(*model));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("1.weight"), std::string::npos);
    model->to(torch::kBFloat16);
    EXPECT_TRUE(check_module(*model, all_parameters(*model)));
}

TEST(Validate, RefusesTiedFrozenAndRepeatedTensors)
{
    const at::Tensor a = torch::randn({4, 4}).requires_grad_(true);
    const at::Tensor tied = a.detach().view({16}).requires_grad_(true);
    const at::Tensor frozen = torch::randn({4});
    const at::Tensor b = torch::randn({4}).requires_grad_(true);
    EXPECT_TRUE(check_trained({{"a", a}, {"b", b}}));
    EXPECT_FALSE(check_trained({{"a", a}, {"tied", tied}}));
    EXPECT_FALSE(check_trained({{"a", a}, {"frozen", frozen}}));
    EXPECT_FALSE(check_trained({{"a", a}, {"a", b}}));
    EXPECT_FALSE(check_trained({}));
}

TEST(Validate, RefusesViewsThatOverlapAndTensorsOfMixedTypes)
{
    const at::Tensor whole = torch::randn({6});
    const at::Tensor head = whole.narrow(0, 0, 4).requires_grad_(true);
    const at::Tensor tail = whole.narrow(0, 2, 4).requires_grad_(true);
    const at::Tensor repeated = torch::randn({1}).expand({4}).requires_grad_(true);
    const at::Tensor half = torch::randn({4}).to(torch::kBFloat16).requires_grad_(true);
    const auto message = [](const TrainedTensors& trained) {
        const auto refused = check_trained(trained);
        return refused ? "" : refused.error().message;
    };
    EXPECT_EQ(message({{"head", head}, {"tail", tail}}),
              "tensors head and tail share their memory");
    EXPECT_EQ(message({{"repeated", repeated}}), "tensor repeated shares memory with itself");
    EXPECT_EQ(message({{"head", head}, {"half", half}}),
              "tensors head and half have different number types");
}

TEST(Validate, RefusesATrainedTensorThatTheModelKnowsUnderTwoNames)
{
    torch::nn::Sequential model(torch::nn::Linear(4, 4), torch::nn::Linear(4, 4));
    EXPECT_TRUE(check_module(*model, all_parameters(*model)));
    auto& last = dynamic_cast<torch::nn::LinearImpl&>(*model->ptr(1));
    const auto& first = dynamic_cast<torch::nn::LinearImpl&>(*model->ptr(0));
    // A frozen view of the trained weight: it would move with it.
    last.parameters(false)[0].set_data(first.weight.detach().t());
    const TrainedTensors trained{{"0.weight", first.weight}};
    for (const auto& item : model->named_parameters())
        item.value().set_requires_grad(item.key() == "0.weight");
    const auto refused = check_module(*model, trained);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "tensors 0.weight and 1.weight share their memory");
}

TEST(Validate, RefusesASelectedTensorThatTheLossDoesNotReach)
{
    Model model = attention_network();
    model.parameters.push_back(torch::randn({3, 3})); // used nowhere
    const TrainedTensors trained = model.trained();
    GradTape tape(trained);
    const Rows rows = make_rows(model, 2, 1);
    row_losses(model.forward(model.parameters, rows.x, rows.ids, tape)).sum().backward();
    const std::string dead = trained.back().name;
    EXPECT_EQ(unrecorded(tape, trained), std::vector<std::string>{dead});
    const auto refused = check_recorded(tape, trained);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find(dead), std::string::npos);
    EXPECT_TRUE(check_recorded(tape, trained, {&dead, 1}));
}

TEST(Validate, RefusesASelectedTensorThatDidNotMove)
{
    const Model model = attention_network();
    const TrainedTensors trained = model.trained();
    StepReport report{.moved = std::vector<bool>(trained.size(), true)};
    EXPECT_TRUE(check_moved(report, trained));
    report.moved[3] = false;
    EXPECT_FALSE(check_moved(report, trained));
    report.moved.clear();
    EXPECT_FALSE(check_moved(report, trained));
}

TEST(Validate, NoticesAFrozenTensorThatChanged)
{
    const torch::nn::Sequential model(torch::nn::Linear(4, 4), torch::nn::Linear(4, 4));
    TrainedTensors trained = all_parameters(*model);
    const at::Tensor frozen = trained.back().tensor;
    trained.pop_back();
    const FrozenWatch watch(*model, trained);
    {
        const torch::NoGradGuard no_grad;
        trained[0].tensor.add_(1.0);
    }
    EXPECT_TRUE(watch.check());
    const torch::NoGradGuard no_grad;
    frozen[0] += 1e-3;
    EXPECT_FALSE(watch.check());
}

// Sums in another order would differ in their last digits.
TEST(Validate, DoesNotMindThatAFrozenTensorIsLaidOutAnew)
{
    torch::manual_seed(3);
    torch::nn::Conv2d conv(torch::nn::Conv2dOptions(37, 41, 3));
    const FrozenWatch watch(*conv, {});
    conv->weight.set_data(conv->weight.detach().contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(watch.check());
}

TEST(Validate, NoticesABufferThatChanged)
{
    torch::nn::Sequential model(torch::nn::Linear(4, 4), torch::nn::BatchNorm1d(4));
    const FrozenWatch watch(*model, all_parameters(*model));
    EXPECT_TRUE(watch.check());
    model->forward(torch::randn({3, 4})); // running statistics
    EXPECT_FALSE(watch.check());
}

} // namespace
} // namespace velamen::dpsgd::testing
