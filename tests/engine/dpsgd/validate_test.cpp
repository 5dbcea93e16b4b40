// SPDX-License-Identifier: GPL-3.0-or-later
//
// Each check of validate.h against one model that breaks its rule and one that does not.

#include "engine/dpsgd/validate.h"

#include <gtest/gtest.h>

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
    const torch::nn::Sequential model(torch::nn::Linear(4, 4), torch::nn::Linear(4, 4));
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

} // namespace
} // namespace velamen::dpsgd::testing
