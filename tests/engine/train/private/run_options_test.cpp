// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a plan may ask for beside the plain run: another precision, public images, a memory limit.

#include <algorithm>
#include <map>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/io/safetensors.h"
#include "engine/train/private/private_model.h"
#include "engine/train/private/private_session.h"
#include "engine/train/private/public_batch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;
using test::Recorder;

constexpr int kUnits = 120;

class RunOptions : public ::testing::Test {
protected:
    void SetUp() override
    {
        test::write_private_folder(root() / "private", kUnits);
        const auto made = test::write_tiny_checkpoint(root() / "base");
        ASSERT_TRUE(made) << made.error().message;
    }
    const fs::path& root() const { return dir_.path(); }
    TrainingPlan plan() const
    {
        TrainingPlan plan = test::tiny_plan(root() / "base", root() / "private", kUnits);
        plan.sample_every = 0;
        plan.reproducible = true;
        return plan;
    }
    TrainingPlan with_public_images(int count, std::int64_t batch, double weight) const
    {
        test::write_private_folder(root() / "public", count);
        TrainingPlan with = plan();
        with.public_source = root() / "public";
        with.optimiser.public_batch = batch;
        with.optimiser.public_weight = weight;
        return with;
    }
    Result<> train(const TrainingPlan& plan, const std::string& name, Recorder& recorder)
    {
        VELAMEN_ASSIGN(const auto session,
                       start_private_run(plan, root() / name, root() / "ledgers"));
        Mailbox mailbox;
        return session->run({}, mailbox, recorder);
    }
    /// Of the finished run: name to dtype and bytes.
    std::map<std::string, std::pair<DType, std::vector<std::byte>>> state(const std::string& name)
    {
        std::map<std::string, std::pair<DType, std::vector<std::byte>>> values;
        for (const auto& entry : fs::directory_iterator(root() / name / "checkpoints")) {
            if (!entry.path().filename().string().starts_with("state-")) continue;
            const auto file = io::SafetensorsFile::open(entry.path());
            EXPECT_TRUE(file);
            for (const auto& tensor : file->tensors())
                values[tensor.name] = {tensor.dtype, {tensor.bytes.begin(), tensor.bytes.end()}};
        }
        EXPECT_FALSE(values.empty());
        return values;
    }

    test::TempDir dir_;
};

TEST_F(RunOptions, Bf16CostsTheSameAndKeepsFp32Masters)
{
    Recorder plain, rounded;
    ASSERT_TRUE(train(plan(), "fp32", plain));
    TrainingPlan p = plan();
    p.precision = "bf16";
    const auto done = train(p, "bf16", rounded);
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_EQ(rounded.points.size(), plain.points.size());
    for (std::size_t i = 0; i < plain.points.size(); ++i) {
        EXPECT_EQ(rounded.points[i].epsilon, plain.points[i].epsilon);
        // The same draws and the same noise: rounding alone is between them.
        EXPECT_NEAR(*rounded.points[i].noised_loss, *plain.points[i].noised_loss, 0.02);
        EXPECT_NE(*rounded.points[i].noised_loss, *plain.points[i].noised_loss);
        EXPECT_NEAR(rounded.points[i].noised_gradient_norm, plain.points[i].noised_gradient_norm,
                    0.02 * plain.points[i].noised_gradient_norm);
    }
    for (const auto& [name, value] : state("bf16"))
        EXPECT_EQ(value.first, name == "step" ? DType::I64 : DType::F32) << name;
    bool is_said = false;
    for (const Progress& progress : rounded.progresses)
        is_said = is_said || progress.note.find("bf16") != std::string::npos;
    EXPECT_EQ(is_said, !has_bf16_units());
}

TEST_F(RunOptions, TensorsThatReceiveNoiseAloneAreNamed)
{
    TrainingPlan p = plan();
    p.skip_dead = false;
    Recorder recorder;
    const auto done = train(p, "run", recorder);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_TRUE(std::ranges::any_of(recorder.progresses, [](const Progress& progress) {
        return progress.note.find("zero by construction") != std::string::npos;
    }));
}

TEST_F(RunOptions, PublicImagesMoveTheWeightsAndCostNothing)
{
    Recorder without, ignored, mixed;
    ASSERT_TRUE(train(plan(), "without", without));
    ASSERT_TRUE(train(with_public_images(30, 8, 0.0), "ignored", ignored));
    const auto done = train(with_public_images(30, 8, 1.0), "mixed", mixed);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(mixed.points.back().epsilon, without.points.back().epsilon);
    EXPECT_EQ(read_run(root() / "mixed")->epsilon, read_run(root() / "without")->epsilon);
    EXPECT_EQ(state("ignored"), state("without"));
    EXPECT_NE(state("mixed"), state("without"));
}

TEST_F(RunOptions, APublicBatchLargerThanItsFolderIsRefused)
{
    Recorder recorder;
    const auto outcome = train(with_public_images(30, 31, 1.0), "run", recorder);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::Refused);
    EXPECT_THAT(outcome.error().message, ::testing::HasSubstr("31 public images"));
    EXPECT_THAT(outcome.error().message, ::testing::HasSubstr("has 30"));
}

TEST_F(RunOptions, APublicGradientDependsOnTheStepAndNotOnItsPasses)
{
    TrainingPlan p = with_public_images(30, 8, 1.0);
    p.classes = {"b", "c"}; // the folder's "a" has no name in it
    const auto model = PrivateModel::create(p);
    ASSERT_TRUE(model) << model.error().message;
    const auto batch = PublicBatch::load(p, **model, {}, [](auto, auto) {});
    ASSERT_TRUE(batch) << batch.error().message;
    const auto whole = batch->gradient(**model, 4, 8), again = batch->gradient(**model, 4, 3);
    const auto other = batch->gradient(**model, 5, 8);
    ASSERT_TRUE(whole && again && other);
    double difference = 0.0, changed = 0.0, size = 0.0;
    for (std::size_t i = 0; i < whole->size(); ++i) {
        difference += ((*whole)[i] - (*again)[i]).square().sum().item<double>();
        changed += ((*whole)[i] - (*other)[i]).square().sum().item<double>();
        size += (*whole)[i].square().sum().item<double>();
        EXPECT_FALSE((*model)->trained()[i].tensor.grad().defined());
    }
    EXPECT_GT(size, 0.0);
    EXPECT_LT(difference, 1e-10 * size);
    EXPECT_GT(changed, 0.01 * size);
    EXPECT_EQ((*model)->tape().records().size(), 0U);
}

TEST_F(RunOptions, AMemoryLimitShrinksTheMicroBatchOrSaysWhatOneUnitNeeds)
{
    TrainingPlan p = plan();
    p.memory_limit = 64.0;
    const auto roomy = fit_micro_batch(p);
    ASSERT_TRUE(roomy) << roomy.error().message;
    EXPECT_EQ(roomy->micro_batch, p.micro_batch);
    p.memory_limit = 0.001;
    const auto none = fit_micro_batch(p);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::Refused);
    EXPECT_THAT(none.error().message, ::testing::HasSubstr("one unit alone needs"));
}

} // namespace
} // namespace velamen::train
