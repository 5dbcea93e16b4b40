// SPDX-License-Identifier: GPL-3.0-or-later
//
// Public training of tiny models on 40 synthetic images for a few steps. Oracles: an uninterrupted
// run for a resumed one, a plain AdamW written out here for the fused one, diffusers' cosine for
// the schedule.

#include <cmath>
#include <fstream>
#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/file.h"
#include "engine/generate/generation.h"
#include "engine/image/codec.h"
#include "engine/train/public/adamw.h"
#include "engine/train/public/autoencoder_stage.h"
#include "engine/train/public/pretrain.h"
#include "engine/train/public/unet_stage.h"
#include "tests/support/temp_dir.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;

/// 20 images with a bar across, 20 with a bar down, of varying place and grey.
void write_images(const fs::path& folder)
{
    for (int i = 0; i < 40; ++i) {
        const bool is_across = i % 2 == 0;
        image::Image image{.width = 16, .height = 16, .channels = 1, .pixels = {}};
        image.pixels.assign(256, 0);
        for (int k = 0; k < 16; ++k) {
            for (int wide = 0; wide < 3; ++wide) {
                const int place = i % 12 + wide;
                image
                    .pixels[static_cast<std::size_t>(is_across ? place * 16 + k : k * 16 + place)] =
                    static_cast<std::uint8_t>(155 + 2 * i);
            }
        }
        const fs::path file =
            folder / (is_across ? "across" : "down") / (std::to_string(i) + ".png");
        fs::create_directories(file.parent_path());
        ASSERT_TRUE(core::write_file(file, image::encode_png(image).value()));
    }
}

PretrainPlan tiny_plan(const fs::path& source, const fs::path& out)
{
    return {.source = source,
            .out = out,
            .image_size = 16,
            .latent_channels = 2,
            .vae_channels = {8, 8},
            .unet_channels = {8, 16},
            .unet_head_count = 2,
            .unet_groups = 4,
            .cross_attention_dim = 8,
            .autoencoder_steps = 6,
            .unet_steps = 6,
            .autoencoder_batch = 4,
            .unet_batch = 4,
            .licence = "CC0-1.0",
            .data_note = "forty bars"};
}

/// Remembers what it was told; stops the run at a step of both stages together.
class Recorder final : public TrainingObserver {
public:
    void on_progress(const Progress& progress) override
    {
        phases.push_back(progress.phase);
        if (progress.phase == Phase::Saving && stop_at_save) source.request_stop();
        if (progress.phase == Phase::Training && progress.done >= stop_at) source.request_stop();
    }
    void on_step(const StepPoint& point) override
    {
        points.push_back(point);
        if (point.step >= stop_at) source.request_stop();
    }
    void on_samples(const SampleRow& row) override { rows.push_back(row); }

    std::stop_source source;
    std::int64_t stop_at = 1'000'000;
    bool stop_at_save = false;
    std::vector<Phase> phases;
    std::vector<StepPoint> points;
    std::vector<SampleRow> rows;
};

Result<> run(const PretrainPlan& plan, Recorder& recorder)
{
    auto session = pretrain(plan);
    if (!session) return fail(session.error());
    Mailbox mailbox;
    return (*session)->run(recorder.source.get_token(), mailbox, recorder);
}

class Pretrain : public testing::Test {
protected:
    Pretrain()
    {
        write_images(source());
        checkpoint::set_vocabularies(std::string(VELAMEN_SOURCE_DIR) + "/resources/vocabularies");
    }
    fs::path source() const { return folder.path() / "bars"; }
    PretrainPlan plan(const std::string& name) const
    {
        return tiny_plan(source(), folder.path() / name);
    }
    static std::string bytes(const PretrainPlan& made, const std::string& part)
    {
        return core::read_file(made.out / part).value();
    }
    test::TempDir folder;
};

const std::vector<std::string> kWeights{"unet/diffusion_pytorch_model.safetensors",
                                        "vae/diffusion_pytorch_model.safetensors"};

TEST_F(Pretrain, MakesACheckpointThatLoadsAndGenerates)
{
    const PretrainPlan made = plan("whole");
    Recorder recorder;
    const auto result = run(made, recorder);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(recorder.phases.back(), Phase::Done);
    EXPECT_FALSE(fs::exists(made.out / ".pretrain"));
    EXPECT_TRUE(fs::exists(made.out / "previews" / "step-12.png"));

    auto loaded = checkpoint::Checkpoint::load(made.out);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const checkpoint::Card& card = (*loaded)->card();
    EXPECT_EQ(card.classes, (std::vector<std::string>{"across", "down"}));
    EXPECT_EQ(card.licence, "CC0-1.0");
    EXPECT_EQ(card.data, "forty bars");
    EXPECT_EQ(card.latent_mean.size(), 2U * 8 * 8); // per element
    EXPECT_EQ(card.latent_std.size(), card.latent_mean.size());

    int images = 0;
    const auto session = generate::GenerationSession::open(made.out);
    ASSERT_TRUE(session);
    const auto drawn = (*session)->run({.classes = {0, 1}, .steps = 2}, {},
                                       [&](const generate::GeneratedImage& image) {
                                           EXPECT_EQ(image.image.width, 16);
                                           ++images;
                                       });
    EXPECT_TRUE(drawn) << drawn.error().message;
    EXPECT_EQ(images, 2);
}

/// The bars with a caption each, and no folders of classes.
PretrainPlan by_caption(PretrainPlan plan)
{
    const fs::path flat = plan.source.parent_path() / "captioned";
    fs::create_directories(flat);
    std::ofstream table(flat / "metadata.csv");
    table << "file_name,caption\n";
    for (int i = 0; i < 40; ++i) {
        const std::string name = std::to_string(i) + ".png";
        fs::copy_file(plan.source / (i % 2 == 0 ? "across" : "down") / name, flat / name,
                      fs::copy_options::overwrite_existing);
        table << name << (i % 2 == 0 ? ",\"a bar, across\"\n" : ",a bar down\n");
    }
    plan.source = flat;
    plan.captions = true;
    plan.text_layers = 1;
    plan.text_heads = 2;
    plan.text_tokens = 8;
    return plan;
}

TEST_F(Pretrain, LearnsCaptionsAndDrawsByPrompt)
{
    const PretrainPlan made = by_caption(plan("captions"));
    Recorder recorder;
    const auto result = run(made, recorder);
    ASSERT_TRUE(result) << result.error().message;

    auto loaded = checkpoint::Checkpoint::load(made.out);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE((*loaded)->is_text_conditional());
    EXPECT_TRUE((*loaded)->card().classes.empty());
    EXPECT_EQ((*loaded)->card().caption, "{class}");
    EXPECT_EQ((*loaded)->conditioner().tokens(), 8);
    EXPECT_TRUE(fs::exists(made.out / "tokenizer" / "merges.txt"));

    const auto session = generate::GenerationSession::open(made.out);
    ASSERT_TRUE(session) << session.error().message;
    std::vector<image::Image> drawn;
    for (const char* prompt : {"a bar, across", "a bar down"}) {
        const auto done = (*session)->run(
            {.classes = {0}, .prompts = {prompt}, .seed = 4, .steps = 2}, {},
            [&](const generate::GeneratedImage& image) { drawn.push_back(image.image); });
        ASSERT_TRUE(done) << done.error().message;
    }
    ASSERT_EQ(drawn.size(), 2U);
    EXPECT_NE(drawn[0].pixels, drawn[1].pixels); // of one seed
}

TEST_F(Pretrain, GoesOnWithCaptionsBitForBitAfterAStop)
{
    const PretrainPlan whole = by_caption(plan("whole")), parts = by_caption(plan("parts"));
    Recorder undisturbed, in_unet, rest;
    ASSERT_TRUE(run(whole, undisturbed));
    in_unet.stop_at = 9;
    ASSERT_FALSE(run(parts, in_unet));
    const auto last = run(parts, rest);
    ASSERT_TRUE(last) << last.error().message;
    for (const std::string& part : {kWeights[0], std::string("text_encoder/model.safetensors")})
        EXPECT_EQ(bytes(parts, part), bytes(whole, part)) << part;
}

TEST_F(Pretrain, NamesAMissingColumnOfCaptions)
{
    PretrainPlan made = plan("captions");
    made.captions = true; // there is no metadata.csv
    Recorder recorder;
    const auto result = run(made, recorder);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("metadata.csv"), std::string::npos)
        << result.error().message;
}

TEST_F(Pretrain, GoesOnBitForBitAfterAStop)
{
    const PretrainPlan whole = plan("whole"), parts = plan("parts");
    Recorder undisturbed;
    ASSERT_TRUE(run(whole, undisturbed));

    Recorder in_autoencoder, in_unet, rest;
    in_autoencoder.stop_at = 1; // seen after the first step
    const auto first = run(parts, in_autoencoder);
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().code, ErrorCode::Cancelled);
    EXPECT_TRUE(fs::exists(parts.out / ".pretrain" / "state.safetensors"));
    in_unet.stop_at = 7;
    const auto second = run(parts, in_unet);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::Cancelled);
    EXPECT_TRUE(fs::exists(parts.out / ".pretrain" / "autoencoder.safetensors"));
    const auto last = run(parts, rest);
    ASSERT_TRUE(last) << last.error().message;

    for (const std::string& part : kWeights)
        EXPECT_EQ(bytes(parts, part), bytes(whole, part)) << part;
}

TEST_F(Pretrain, DependsOnTheSeed)
{
    const PretrainPlan one = plan("one");
    PretrainPlan other = plan("other");
    other.seed = 2;
    Recorder a, b;
    ASSERT_TRUE(run(one, a));
    ASSERT_TRUE(run(other, b));
    EXPECT_NE(bytes(one, kWeights[0]), bytes(other, kWeights[0]));
}

TEST_F(Pretrain, RefusesToGoOnWithOtherSettings)
{
    PretrainPlan made = plan("stopped");
    Recorder recorder;
    recorder.stop_at = 1;
    ASSERT_FALSE(run(made, recorder));
    made.unet_rate = 1e-4;
    const auto again = pretrain(made);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::Refused);
}

TEST_F(Pretrain, RefusesToGoOnWithOtherImages)
{
    const PretrainPlan made = plan("stopped");
    Recorder recorder, again;
    recorder.stop_at = 1;
    ASSERT_FALSE(run(made, recorder));
    fs::remove(source() / "across" / "0.png");
    const auto result = run(made, again);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::Refused);
}

TEST_F(Pretrain, NeverWritesOverAnotherFolder)
{
    const PretrainPlan made = plan("taken");
    fs::create_directories(made.out);
    std::ofstream(made.out / "thesis.txt") << "years of work";
    const auto result = pretrain(made);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::Refused);
    EXPECT_TRUE(fs::exists(made.out / "thesis.txt"));
}

TEST_F(Pretrain, LetsOnlyOneRunWorkInAFolder)
{
    const auto first = pretrain(plan("shared"));
    ASSERT_TRUE(first);
    const auto second = pretrain(plan("shared"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::Busy);
}

TEST_F(Pretrain, NamesAFolderWithoutImages)
{
    PretrainPlan made = plan("nothing");
    made.source = folder.path() / "empty";
    fs::create_directories(made.source);
    Recorder recorder;
    const auto result = run(made, recorder);
    ASSERT_FALSE(result);
    EXPECT_FALSE(result.error().message.empty());
    made.source = folder.path() / "absent";
    const auto absent = pretrain(made);
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code, ErrorCode::NotFound);
}

TEST_F(Pretrain, RefusesShapesThatDoNotFit)
{
    const auto code = [&](const std::function<void(PretrainPlan&)>& spoil) {
        PretrainPlan made = plan("misfit");
        spoil(made);
        const auto session = pretrain(made);
        return session ? ErrorCode::Internal : session.error().code;
    };
    constexpr auto kInvalid = ErrorCode::InvalidArgument;
    EXPECT_EQ(code([](auto& p) { p.image_size = 17; }), kInvalid);
    EXPECT_EQ(code([](auto& p) { p.image_channels = 4; }), kInvalid);
    EXPECT_EQ(code([](auto& p) { p.unet_groups = 3; }), kInvalid);
    EXPECT_EQ(code([](auto& p) { p.vae_channels = {}; }), kInvalid);
    EXPECT_EQ(code([](auto& p) { p.unet_rate = std::nan(""); }), kInvalid);
    EXPECT_EQ(code([](auto& p) { p.autoencoder_batch = 0; }), kInvalid);
}

TEST(AdamW, UpdatesAsWrittenDown)
{
    at::Tensor w = at::tensor({1.0F, -2.0F}).set_requires_grad(true);
    AdamW optimiser({{"w", w}},
                    {.beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0.1, .max_gradient_norm = 1.0});
    double expected[2] = {1.0, -2.0}, m[2] = {0, 0}, v[2] = {0, 0};
    const double gradient[2] = {3.0, 4.0}; // norm 5: clipped to (0.6, 0.8)
    for (int step = 1; step <= 3; ++step) {
        optimiser.zero_gradients();
        w.mutable_grad() = at::tensor({3.0F, 4.0F});
        EXPECT_NEAR(optimiser.step(0.01), 5.0, 1e-6);
        for (int i = 0; i < 2; ++i) {
            const double g = gradient[i] / 5.0;
            expected[i] *= 1.0 - 0.01 * 0.1;
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.99 * v[i] + 0.01 * g * g;
            const double mean = m[i] / (1.0 - std::pow(0.9, step));
            const double square = v[i] / (1.0 - std::pow(0.99, step));
            expected[i] -= 0.01 * mean / (std::sqrt(square) + 1e-8);
        }
    }
    EXPECT_NEAR(w[0].item<double>(), expected[0], 1e-6);
    EXPECT_NEAR(w[1].item<double>(), expected[1], 1e-6);
}

TEST(PretrainSchedule, IsDiffusersCosine)
{
    const auto schedule = pretrain_schedule();
    ASSERT_TRUE(schedule);
    // a_t = prod (1 - beta), beta_t = min(1 - f(t+1)/f(t), 0.999), f(t) = cos^2((t/1000 + 0.008)
    // / 1.008 pi/2)
    const auto f = [](double t) {
        return std::pow(std::cos((t / 1000.0 + 0.008) / 1.008 * M_PI / 2.0), 2.0);
    };
    EXPECT_NEAR(schedule->alpha_cumprod(0), f(1) / f(0), 1e-6);
    EXPECT_NEAR(schedule->alpha_cumprod(499), f(500) / f(0), 1e-5);
    EXPECT_LT(schedule->alpha_cumprod(999), 1e-5);
    EXPECT_EQ(schedule->options().prediction_type, diffusion::PredictionType::VPrediction);
    EXPECT_FALSE(schedule->options().clip_sample);
}

TEST(LatentMoments, NormaliseEachElementAndSpareFlatOnes)
{
    at::manual_seed(3);
    at::Tensor z = at::randn({500, 2, 2, 2}) * 3.0 + 5.0;
    z.select(1, 1).select(1, 0).select(1, 0).fill_(7.0); // one element never varies
    const LatentMoments moments = moments_of(z);
    const at::Tensor normal = (z - moments.mean) / moments.std;
    EXPECT_NEAR(normal[0][0][0][0].isfinite().item<bool>(), true, 0);
    EXPECT_NEAR(normal.select(1, 0).std().item<double>(), 1.0, 0.01);
    EXPECT_NEAR(moments.mean[1][0][0].item<double>(), 7.0, 1e-5);
    EXPECT_GT(moments.std[1][0][0].item<double>(), 0.1); // not blown up
}

} // namespace
} // namespace velamen::train
