// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whole private runs of selections other than the default: what their tuned checkpoint holds.

#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/selection.h"
#include "engine/generate/generation.h"
#include "engine/io/safetensors.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/tensor/convert.h"
#include "engine/train/private/private_session.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"
#include "tests/support/value.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;
constexpr const char* kUNetFile = "unet/diffusion_pytorch_model.safetensors";

using test::value;

std::map<std::string, at::Tensor> tensors_of(const fs::path& path)
{
    const auto file = value(io::SafetensorsFile::open(path));
    std::map<std::string, at::Tensor> out;
    for (const auto& view : file.tensors())
        out[view.name] = tensor::to_tensor(view.dtype, view.shape, view.bytes).clone();
    return out;
}

/// Names of the UNet's tensors that differ between two checkpoints.
std::set<std::string> differences(const fs::path& a, const fs::path& b)
{
    const auto before = tensors_of(a / kUNetFile), after = tensors_of(b / kUNetFile);
    std::set<std::string> out;
    EXPECT_EQ(before.size(), after.size());
    for (const auto& [name, tensor] : before)
        if (!torch::equal(tensor, after.at(name))) out.insert("unet/" + name);
    return out;
}

class SelectedRun : public testing::Test {
protected:
    void SetUp() override
    {
        test::write_private_folder(dir_.path() / "private", 120);
        ASSERT_TRUE(test::write_tiny_checkpoint(base()));
    }
    fs::path base() const { return dir_.path() / "base"; }
    fs::path run() const { return dir_.path() / "run"; }
    TrainingPlan plan(const std::string& selection) const
    {
        TrainingPlan out = test::tiny_plan(base(), dir_.path() / "private", 120);
        out.selection = selection;
        return out;
    }
    Result<> train(const TrainingPlan& p, test::Recorder& recorder, std::stop_token stop = {})
    {
        VELAMEN_ASSIGN(const auto session, start_private_run(p, run(), dir_.path() / "ledgers"));
        Mailbox mailbox;
        return session->run(std::move(stop), mailbox, recorder);
    }
    Result<> resume(test::Recorder& recorder)
    {
        VELAMEN_ASSIGN(const auto session, resume_private_run(run(), dir_.path() / "ledgers"));
        Mailbox mailbox;
        return session->run({}, mailbox, recorder);
    }
    fs::path tuned() const { return value(read_run(run())).checkpoint; }
    /// The state that a resume would begin with.
    std::map<std::string, at::Tensor> state() const
    {
        fs::path newest;
        for (const auto& entry : fs::directory_iterator(run() / "checkpoints"))
            if (entry.path().extension() == ".safetensors"
                && (newest.empty() || fs::last_write_time(entry) > fs::last_write_time(newest)))
                newest = entry.path();
        return tensors_of(newest);
    }
    /// Tensors of the UNet that the run may change, from the names in the base.
    std::set<std::string> selected(const std::string& selection, bool train_conditioner) const
    {
        std::vector<std::string> names;
        for (const auto& [name, tensor] : tensors_of(base() / kUNetFile))
            names.push_back("unet/" + name);
        const std::string table = "class_embedder/embedding.weight"; // the context has one token
        names.push_back(table);
        const auto chosen =
            value(checkpoint::select_tensors(names, selection, true, train_conditioner));
        std::set<std::string> out(chosen.begin(), chosen.end());
        out.erase(table);
        return out;
    }
    test::TempDir dir_;
};

TEST_F(SelectedRun, LowRankFactorsLeaveAFoldedCheckpointAndResumeFromTheirState)
{
    const double scale = 3.0; // alpha / rank
    test::StoppingRecorder stopper(4);
    const auto stopped = train(plan("lora:2:6"), stopper, stopper.source.get_token());
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::Cancelled);

    // The file of a pause holds the folded averages of the state beside it.
    const auto paused = state();
    const auto before = tensors_of(base() / kUNetFile), after = tensors_of(tuned() / kUNetFile);
    const auto expected = selected("lora:2:6", true);
    EXPECT_EQ(expected.size(), 7u * 6);
    EXPECT_EQ(differences(base(), tuned()), expected);
    for (const std::string& name : expected) {
        const auto a = paused.at("ema." + checkpoint::lora_name(name, 'A'));
        const auto b = paused.at("ema." + checkpoint::lora_name(name, 'B'));
        EXPECT_EQ(a.size(0), 2);
        const std::string key = name.substr(5);
        EXPECT_TRUE(
            torch::allclose(after.at(key), before.at(key) + scale * b.matmul(a), 1e-5, 1e-7))
            << name;
        EXPECT_FALSE(paused.contains("ema." + name)); // the weight itself is not trained
    }
    auto listed = value(checkpoint::Checkpoint::load(tuned()))->card().trained_tensors;
    std::set<std::string> with_table = expected;
    with_table.insert("class_embedder/embedding.weight");
    EXPECT_EQ(std::set<std::string>(listed.begin(), listed.end()), with_table);

    // What the tuned checkpoint draws is what the resumed run shows first.
    const auto session = value(generate::GenerationSession::open(tuned()));
    const TrainingPlan p = plan("lora:2:6");
    generate::GenerationRequest request;
    request.classes = {0, 1};
    request.seed = static_cast<std::uint64_t>(p.preview_seed);
    request.guidance = p.preview_guidance;
    request.steps = 10;
    request.batch = 2;
    std::vector<image::Image> drawn(2);
    ASSERT_TRUE(session->run(request, {}, [&](const generate::GeneratedImage& g) {
        drawn[static_cast<std::size_t>(g.index)] = g.image;
    }));
    test::Recorder recorder;
    const auto resumed = resume(recorder);
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(recorder.points.front().step, 5);
    ASSERT_EQ(recorder.rows.front().images.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i)
        EXPECT_EQ(recorder.rows.front().images[i].pixels, drawn[i].pixels);

    EXPECT_EQ(differences(base(), tuned()), expected);
    const auto finished = state();
    for (const std::string& name : expected)
        for (const char factor : {'A', 'B'}) {
            const std::string key = "master." + checkpoint::lora_name(name, factor);
            EXPECT_FALSE(torch::equal(finished.at(key), paused.at(key))) << key;
        }
}

TEST_F(SelectedRun, LowRankFactorsStayInFp32UnderBf16)
{
    TrainingPlan p = plan("lora:2");
    p.precision = "bf16";
    test::Recorder recorder;
    const auto outcome = train(p, recorder);
    ASSERT_TRUE(outcome) << outcome.error().message;
    const auto saved = state();
    for (const auto& [name, tensor] : saved)
        EXPECT_EQ(tensor.scalar_type(), name == "step" ? torch::kInt64 : torch::kFloat) << name;
    // Folded into the weights of the base, not into rounded ones.
    const auto before = tensors_of(base() / kUNetFile), after = tensors_of(tuned() / kUNetFile);
    for (const std::string& name : selected("lora:2", true)) {
        const auto factor = [&](char which) {
            return saved.at("ema." + checkpoint::lora_name(name, which));
        };
        const auto folded = before.at(name.substr(5)) + factor('B').matmul(factor('A'));
        EXPECT_TRUE(torch::allclose(after.at(name.substr(5)), folded, 1e-5, 1e-7)) << name;
    }
}

TEST_F(SelectedRun, WithoutTheConditionerTheClassTableStaysAsItWasMade)
{
    for (const char* selection : {"attention", "lora:2"}) {
        TrainingPlan p = plan(selection);
        p.train_conditioner = false;
        test::Recorder recorder;
        const auto outcome = train(p, recorder);
        ASSERT_TRUE(outcome) << outcome.error().message;
        auto made = value(checkpoint::Checkpoint::load(base()));
        ASSERT_TRUE(made->set_classes(p.classes, static_cast<std::uint64_t>(p.preview_seed)));
        auto loaded = value(checkpoint::Checkpoint::load(tuned()));
        EXPECT_TRUE(torch::equal(loaded->conditioner().parameters().front(),
                                 made->conditioner().parameters().front()));
        for (const std::string& name : loaded->card().trained_tensors)
            EXPECT_TRUE(name.starts_with("unet/")) << name;
        EXPECT_EQ(differences(base(), tuned()), selected(selection, false));
        fs::remove_all(run());
    }
}

TEST_F(SelectedRun, FullMovesEveryTensorOfTheUNetButTheDeadOnes)
{
    test::Recorder recorder;
    const auto outcome = train(plan("full"), recorder);
    ASSERT_TRUE(outcome) << outcome.error().message;
    const auto expected = selected("full", true);
    EXPECT_EQ(expected.size(), tensors_of(base() / kUNetFile).size() - 7 * 4);
    EXPECT_EQ(differences(base(), tuned()), expected);
}

} // namespace
} // namespace velamen::train
