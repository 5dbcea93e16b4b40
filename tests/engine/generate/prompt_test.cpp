// SPDX-License-Identifier: GPL-3.0-or-later
//
// Prompts as contexts: weights, what is cut, guidance away from a negative prompt.

#include "engine/generate/prompt.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "engine/checkpoint/prompts.h"
#include "engine/generate/generation.h"
#include "engine/nn/conditioner/text_conditioner.h"
#include "tests/engine/checkpoint/tiny_text_checkpoint.h"
#include "tests/support/temp_dir.h"
#include "tests/support/value.h"

namespace velamen::generate {
namespace {

using test::value;

class Prompts : public testing::Test {
protected:
    void SetUp() override
    {
        const auto saved = tiny_.try_save(folder_);
        ASSERT_TRUE(saved) << saved.error().message;
        checkpoint_ = value(checkpoint::Checkpoint::load(folder_));
    }

    at::Tensor encoded(const std::string& prompt)
    {
        return value(encode_prompts(*checkpoint_, {prompt}, "")).wanted;
    }

    const at::NoGradGuard no_grad_;
    test::TempDir temp_;
    std::filesystem::path folder_ = temp_.path() / "tiny";
    test::TinyTextCheckpoint tiny_;
    std::unique_ptr<checkpoint::Checkpoint> checkpoint_;
};

TEST_F(Prompts, WithoutWeightsAreWhatTheEncoderSays)
{
    const std::vector<std::string> prompts{"a red cell"};
    const auto ids = value(checkpoint_->tokenizer()->ids(prompts, 77));
    EXPECT_TRUE(torch::equal(encoded("a red cell"), tiny_.encoder->encode(ids)));
}

// Oracle: the rule, token by token.
TEST_F(Prompts, WeighWordsAndKeepTheMean)
{
    const at::Tensor plain = encoded("a red cell").to(at::kDouble);
    at::Tensor expected = plain.clone();
    expected[0][2] *= 1.5; // start, "a", "red"
    expected *= plain.mean() / expected.mean();
    const at::Tensor made = encoded("a (red:1.5) cell").to(at::kDouble);
    EXPECT_LT((made - expected).abs().max().item<double>(), 1e-5);
    EXPECT_GT((made - plain).abs().max().item<double>(), 1e-3);
}

TEST_F(Prompts, SayWhereTheyAreCut)
{
    std::string prompt;
    for (int i = 0; i < 76; ++i)
        prompt += "cell ";
    const auto notes = value(prompt_notes(*checkpoint_, {"short", prompt}));
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NE(notes.front().find("75 tokens"), std::string::npos) << notes.front();
    EXPECT_TRUE(torch::equal(encoded(prompt), encoded(prompt + "and more")));
}

TEST_F(Prompts, ThatCannotBeReadAreRefused)
{
    EXPECT_EQ(encode_prompts(*checkpoint_, {std::string(60, '(') + "a"}, "").error().code,
              ErrorCode::InvalidArgument);
    EXPECT_EQ(encode_prompts(*checkpoint_, {"\xff"}, "").error().code, ErrorCode::InvalidArgument);
}

TEST_F(Prompts, AreDrawnByTheirSessions)
{
    const auto session = value(GenerationSession::open(folder_));
    EXPECT_TRUE(session->takes_prompts());
    const auto draw = [&](GenerationRequest request) {
        request.prompts = {"a red cell", "a blue cell"};
        request.classes = {0, 1};
        request.steps = 2;
        std::vector<std::vector<std::uint8_t>> out(2);
        const auto done = session->run(request, {}, [&](const GeneratedImage& g) {
            out[static_cast<std::size_t>(g.index)] = g.image.pixels;
        });
        EXPECT_TRUE(done) << done.error().message;
        return out;
    };
    const auto plain = draw({.guidance = 2.0});
    EXPECT_EQ(draw({.guidance = 2.0}), plain);
    EXPECT_NE(draw({.negative = "a dog", .guidance = 2.0}), plain);
    EXPECT_NE(draw({.guidance = 2.0, .guidance_rescale = 0.7}), plain);
    EXPECT_NE(draw({.guidance = 0.0}), plain);

    GenerationRequest wrong{.classes = {2}, .prompts = {"a", "b"}};
    EXPECT_EQ(session->run(wrong, {}, {}).error().code, ErrorCode::InvalidArgument);
}

// Lin et al. 2023, equations 15 and 16.
TEST(GuidanceRescale, GivesTheSpreadOfTheConditionalAnswer)
{
    at::manual_seed(1);
    const at::Tensor c = at::randn({3, 2, 4, 4}), e = 4.0 * at::randn({3, 2, 4, 4}) + 1.0;
    const at::Tensor whole = rescaled(c, e, 1.0);
    for (int i = 0; i < 3; ++i)
        EXPECT_NEAR(whole[i].std().item<double>(), c[i].std().item<double>(), 1e-5);
    EXPECT_TRUE(torch::allclose(rescaled(c, e, 0.0), e));
    EXPECT_TRUE(torch::allclose(rescaled(c, e, 0.3), 0.3 * whole + 0.7 * e));
}

} // namespace
} // namespace velamen::generate
