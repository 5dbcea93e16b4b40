// SPDX-License-Identifier: GPL-3.0-or-later
//
// Private runs from a text-conditional checkpoint: captions by template, the text encoder frozen or
// trained, and what the tuned checkpoint holds.

#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/file.h"
#include "engine/generate/generation.h"
#include "engine/io/safetensors.h"
#include "engine/tensor/convert.h"
#include "engine/train/private/private_session.h"
#include "tests/engine/checkpoint/tiny_text_checkpoint.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"
#include "tests/support/value.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;

using test::value;

class TextRun : public testing::Test {
protected:
    void SetUp() override
    {
        test::write_private_folder(dir_.path() / "private", 120);
        const auto saved = test::TinyTextCheckpoint().try_save(base());
        ASSERT_TRUE(saved) << saved.error().message;
    }
    fs::path base() const { return dir_.path() / "base"; }
    TrainingPlan plan() const
    {
        TrainingPlan out = test::tiny_plan(base(), dir_.path() / "private", 120);
        out.caption = "a small picture of {class}";
        out.privacy.steps = 2;
        return out;
    }
    /// The tuned checkpoint.
    fs::path train(const TrainingPlan& p)
    {
        const auto session =
            value(start_private_run(p, dir_.path() / "run", dir_.path() / "ledgers"));
        Mailbox mailbox;
        test::Recorder recorder;
        const auto done = session->run({}, mailbox, recorder);
        if (!done) throw std::runtime_error(done.error().message);
        return value(read_run(dir_.path() / "run")).checkpoint;
    }
    /// Names of the tensors of a file that differ between base and tuned checkpoint.
    std::set<std::string> differences(const fs::path& tuned, const fs::path& file) const
    {
        const auto before = value(io::SafetensorsFile::open(base() / file));
        const auto after = value(io::SafetensorsFile::open(tuned / file));
        std::set<std::string> out;
        EXPECT_EQ(before.tensors().size(), after.tensors().size());
        for (const auto& view : before.tensors())
            if (!std::ranges::equal(view.bytes, after.find(view.name)->bytes))
                out.insert(view.name);
        return out;
    }
    static constexpr const char* kUNetFile = "unet/diffusion_pytorch_model.safetensors";
    static constexpr const char* kTextFile = "text_encoder/model.safetensors";

    test::TempDir dir_;
};

// Under 77 tokens all of cross-attention has a gradient: nothing is left out.
TEST_F(TextRun, MovesTheAttentionAndNothingElseWithAFrozenEncoder)
{
    TrainingPlan p = plan();
    p.train_conditioner = false;
    const fs::path tuned = train(p);
    std::set<std::string> attention;
    const auto base_file = value(io::SafetensorsFile::open(base() / kUNetFile));
    for (const auto& view : base_file.tensors())
        if (view.name.find(".attentions.") != std::string::npos) attention.insert(view.name);
    EXPECT_EQ(differences(tuned, kUNetFile), attention);
    EXPECT_TRUE(differences(tuned, kTextFile).empty());
    EXPECT_EQ(value(core::read_file(base() / "tokenizer/vocab.json")),
              value(core::read_file(tuned / "tokenizer/vocab.json")));

    const auto session = value(generate::GenerationSession::open(tuned));
    EXPECT_EQ(session->classes(), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(session->takes_prompts());
    // A class is its caption.
    const auto drawn = [&](generate::GenerationRequest request) {
        request.classes = {0};
        request.steps = 2;
        request.guidance = 1.0;
        std::vector<std::uint8_t> pixels;
        EXPECT_TRUE(session->run(request, {}, [&](const generate::GeneratedImage& made) {
            pixels = made.image.pixels;
        }));
        return pixels;
    };
    EXPECT_EQ(drawn({}), drawn({.prompts = {"a small picture of a"}}));
}

TEST_F(TextRun, TrainsTheTextEncoderWhereAsked)
{
    const fs::path tuned = train(plan());
    const auto moved = differences(tuned, kTextFile);
    const auto base_file = value(io::SafetensorsFile::open(base() / kTextFile));
    EXPECT_EQ(moved.size(), base_file.tensors().size()); // noise reaches every selected tensor
    const auto loaded = value(checkpoint::Checkpoint::load(tuned));
    EXPECT_EQ(loaded->card().caption, "a small picture of {class}");
}

TEST_F(TextRun, TakesImagesOfAnotherSize)
{
    TrainingPlan p = plan();
    p.train_conditioner = false;
    p.image_size = 16;
    const fs::path tuned = train(p);
    const auto session = value(generate::GenerationSession::open(tuned));
    int side = 0;
    ASSERT_TRUE(
        session->run({.classes = {0}, .steps = 1}, {},
                     [&](const generate::GeneratedImage& made) { side = made.image.width; }));
    EXPECT_EQ(side, 16);
}

TEST_F(TextRun, RefusesACaptionWithoutAClass)
{
    TrainingPlan p = plan();
    p.caption = "a picture";
    const auto session = value(start_private_run(p, dir_.path() / "run", dir_.path() / "ledgers"));
    Mailbox mailbox;
    test::Recorder recorder;
    const auto done = session->run({}, mailbox, recorder);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(done.error().hint.find("{class}"), std::string::npos);
}

} // namespace
} // namespace velamen::train
