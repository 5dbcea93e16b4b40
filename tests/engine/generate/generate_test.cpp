// SPDX-License-Identifier: GPL-3.0-or-later
//
// Samples from tiny models with random weights. Oracles: the published test vectors of Philox
// (Random123, kat_vectors), diffusers' rounding rule, and the contract of generation.h itself.

#include <map>
#include <numeric>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/diffusion/schedule.h"
#include "engine/generate/noise.h"
#include "engine/generate/render.h"
#include "engine/nn/autoencoder/model.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/unet/config.h"
#include "engine/nn/unet/model.h"

namespace velamen::generate {
namespace {

constexpr int kClasses = 5;

/// The shapes of the shipped checkpoints, with random weights.
class Generate : public testing::Test {
protected:
    Generate()
    {
        at::manual_seed(7);
        const nn::UNet2DConditionConfig config{
            .sample_size = 4,
            .in_channels = 3,
            .out_channels = 3,
            .down_block_types = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D"},
            .up_block_types = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D"},
            .block_out_channels = {64, 128},
            .layers_per_block = 1,
            .cross_attention_dim = 64,
            .attention_head_dim = {2},
            .use_linear_projection = true,
            .norm_num_groups = 16};
        unet = nn::UNet(config.plan());
        vae = nn::AutoencoderKL(nn::AutoencoderKLConfig{
            .sample_size = 32,
            .in_channels = 1,
            .out_channels = 1,
            .down_block_types = std::vector<std::string>(4, "DownEncoderBlock2D"),
            .up_block_types = std::vector<std::string>(4, "UpDecoderBlock2D"),
            .block_out_channels = {16, 16, 32, 64},
            .layers_per_block = 1,
            .latent_channels = 3,
            .norm_num_groups = 8});
        embedder = nn::ClassEmbedder(kClasses + 1, 64);
        checkpoint::Card card;
        for (int i = 0; i < 48; ++i) {
            card.latent_mean.push_back(0.01 * i);
            card.latent_std.push_back(1.0 + 0.02 * i);
        }
        scale.emplace(LatentScale::create(card, 1.0, 3, 4).value());
        schedule.emplace(
            diffusion::Schedule::create({.beta_schedule = diffusion::BetaSchedule::SquaredCosCapV2,
                                         .prediction_type = diffusion::PredictionType::VPrediction,
                                         .timestep_spacing = diffusion::TimestepSpacing::Trailing})
                .value());
    }

    Models models() { return {*unet, *vae, *embedder, *schedule, *scale}; }

    std::vector<GeneratedImage> draw(const GenerationRequest& request)
    {
        std::vector<GeneratedImage> images;
        const auto result =
            render(models(), request, {},
                   [&](const GeneratedImage& image) { images.push_back(image); }, {});
        EXPECT_TRUE(result) << result.error().message;
        return images;
    }

    static GenerationRequest request(int count)
    {
        GenerationRequest wanted{.seed = 100, .guidance = 0.5, .steps = 3};
        for (int i = 0; i < count; ++i)
            wanted.classes.push_back(i % kClasses);
        return wanted;
    }

    nn::UNet unet{nullptr};
    nn::AutoencoderKL vae{nullptr};
    nn::ClassEmbedder embedder{nullptr};
    std::optional<LatentScale> scale;
    std::optional<diffusion::Schedule> schedule;
};

TEST(Philox, AnswersAsPublished)
{
    using Words = std::array<std::uint32_t, 4>;
    EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
              (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}),
              (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Noise, IsStandardNormalAndDiffersBetweenStreams)
{
    std::vector<float> a(40000), b(40000);
    CounterNoise(1, 0).normals(a);
    CounterNoise(1, 1).normals(b);
    double sum = 0.0, square = 0.0, product = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        sum += a[i];
        square += a[i] * a[i];
        product += a[i] * b[i];
    }
    EXPECT_NEAR(sum / 40000, 0.0, 0.025); // 5 standard errors
    EXPECT_NEAR(square / 40000, 1.0, 0.036);
    EXPECT_NEAR(product / 40000, 0.0, 0.025);
}

TEST(Noise, OfOneSeedIsTheSameWhereverItStandsInTheBatch)
{
    const std::vector<std::uint64_t> alone{9}, third{4, 5, 9};
    EXPECT_TRUE(at::equal(noise(alone, 0, 3, 4)[0], noise(third, 0, 3, 4)[2]));
    EXPECT_FALSE(at::equal(noise(alone, 0, 3, 4), noise(alone, 1, 3, 4)));
}

TEST(ToImage, RoundsHalfToEvenAndClamps)
{
    // 255 (x / 2 + 1/2) = 0.5, 1.5, 2.5, below 0, above 255
    const at::Tensor x = at::tensor({0.5, 1.5, 2.5, -10.0, 400.0}, at::kDouble).div(127.5).sub(1.0);
    const image::Image image = to_image(x.view({1, 1, 5}));
    EXPECT_EQ(image.width, 5);
    EXPECT_EQ(image.pixels[3], 0);
    EXPECT_EQ(image.pixels[4], 255);
    const image::Image half = to_image(at::zeros({1, 1, 1})); // 127.5 exactly
    EXPECT_EQ(half.pixels[0], 128);
    EXPECT_EQ(to_image(at::full({1, 1, 1}, -1.0 + 1.0 / 255.0)).pixels[0], 0); // 0.5
}

TEST(ToImage, InterleavesColours)
{
    const at::Tensor x = at::stack({at::full({2, 2}, -1.0), at::zeros({2, 2}), at::ones({2, 2})});
    const image::Image image = to_image(x);
    EXPECT_EQ(image.channels, 3);
    EXPECT_EQ(std::vector<std::uint8_t>(image.pixels.begin(), image.pixels.begin() + 3),
              (std::vector<std::uint8_t>{0, 128, 255}));
}

TEST_F(Generate, GivesTheSameBitsWhateverTheBatch)
{
    for (const double eta : {0.0, 0.7}) {
        GenerationRequest wanted = request(18);
        wanted.eta = eta;
        wanted.batch = 18;
        const auto together = draw(wanted);
        ASSERT_EQ(together.size(), 18U);
        for (const int batch : {3, 8, 17}) {
            wanted.batch = batch;
            const auto apart = draw(wanted);
            ASSERT_EQ(apart.size(), together.size());
            for (std::size_t i = 0; i < apart.size(); ++i)
                EXPECT_EQ(apart[i].image.pixels, together[i].image.pixels)
                    << "image " << i << ", batch " << batch << ", eta " << eta;
        }
    }
}

TEST_F(Generate, GivesAnImageByItsClassAndSeedAlone)
{
    const auto row = draw(request(7));
    GenerationRequest one = request(0);
    one.classes = {row[4].class_index};
    one.seeds = {row[4].seed};
    EXPECT_EQ(row[4].seed, 104U);
    EXPECT_EQ(draw(one)[0].image.pixels, row[4].image.pixels);
    one.seeds = {row[4].seed + 1};
    EXPECT_NE(draw(one)[0].image.pixels, row[4].image.pixels);
}

TEST_F(Generate, FollowsClassAndGuidance)
{
    GenerationRequest one = request(1);
    const auto plain = draw(one)[0].image.pixels;
    one.classes = {3};
    EXPECT_NE(draw(one)[0].image.pixels, plain);
    one = request(1);
    one.guidance = 6.0;
    EXPECT_NE(draw(one)[0].image.pixels, plain);
}

TEST_F(Generate, IsGuidedAwayFromTheNullClass)
{
    // v + w (v - v_null) with v_null = v must be v: the null row is made equal to row 2.
    {
        const at::NoGradGuard guard;
        at::Tensor table = embedder->parameters()[0];
        table[kClasses].copy_(table[2]);
    }
    GenerationRequest one = request(0);
    one.classes = {2};
    one.guidance = 5.0;
    const auto guided = draw(one)[0].image.pixels;
    one.guidance = 0.0;
    const auto plain = draw(one)[0].image.pixels;
    int largest = 0;
    for (std::size_t i = 0; i < plain.size(); ++i)
        largest = std::max(largest, std::abs(int{plain[i]} - int{guided[i]}));
    EXPECT_LE(largest, 1); // rounding of the guided sum
}

TEST_F(Generate, StopsBetweenStepsAndKeepsWhatItGave)
{
    GenerationRequest wanted = request(6);
    wanted.batch = 2;
    std::stop_source source;
    int given = 0;
    double reported = 0.0;
    const auto result = render(
        models(), wanted, source.get_token(), [&](const GeneratedImage&) { ++given; },
        [&](double done, double total) {
            EXPECT_EQ(total, 6.0);
            EXPECT_GE(done, reported);
            reported = done;
            if (done > 2.0 && done < 4.0) source.request_stop();
        });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::Cancelled);
    EXPECT_EQ(given, 2);
    EXPECT_LT(reported, 4.0);
}

TEST_F(Generate, RefusesNumbersOutsideTheirRange)
{
    const auto code = [&](const std::function<void(GenerationRequest&)>& spoil) {
        GenerationRequest wanted = request(2);
        spoil(wanted);
        const auto result = render(models(), wanted, {}, {}, {});
        return result ? ErrorCode::Internal : result.error().code;
    };
    constexpr auto kInvalid = ErrorCode::InvalidArgument;
    EXPECT_EQ(code([](auto& r) { r.classes[1] = kClasses; }), kInvalid); // the null class
    EXPECT_EQ(code([](auto& r) { r.classes[0] = -1; }), kInvalid);
    EXPECT_EQ(code([](auto& r) { r.seeds = {1}; }), kInvalid);
    EXPECT_EQ(code([](auto& r) { r.steps = 0; }), kInvalid);
    EXPECT_EQ(code([](auto& r) { r.eta = 1.5; }), kInvalid);
    EXPECT_EQ(code([](auto& r) { r.batch = 0; }), kInvalid);
    EXPECT_EQ(code([](auto& r) { r.guidance = std::nan(""); }), kInvalid);
}

TEST(LatentScale, GoesThereAndBackPerElement)
{
    checkpoint::Card card{.latent_mean = {1, 2, 3, 4}, .latent_std = {0.5, 1, 2, 4}};
    const auto scale = LatentScale::create(card, 1.0, 1, 2);
    ASSERT_TRUE(scale);
    const at::Tensor z = at::tensor({2.0F, 2.0F, 2.0F, 2.0F}).view({1, 1, 2, 2});
    const at::Tensor model = scale->to_model(z);
    EXPECT_TRUE(at::allclose(model.flatten(), at::tensor({2.0F, 0.0F, -0.5F, -0.5F})));
    EXPECT_TRUE(at::allclose(scale->to_autoencoder(model), z));
}

TEST(LatentScale, FallsBackToTheScalingFactor)
{
    const auto scale = LatentScale::create({}, 0.5, 4, 8);
    ASSERT_TRUE(scale);
    EXPECT_TRUE(at::allclose(scale->to_model(at::ones({1, 4, 8, 8})),
                             at::full({1, 4, 8, 8}, 0.5))); // diffusers multiplies by it
}

TEST(LatentScale, RefusesNumbersThatDoNotFit)
{
    EXPECT_FALSE(LatentScale::create({.latent_mean = {1, 2}, .latent_std = {1, 1}}, 1, 3, 4));
    EXPECT_FALSE(LatentScale::create({.latent_mean = {1}, .latent_std = {0}}, 1, 1, 4));
    EXPECT_FALSE(LatentScale::create({.latent_mean = {1}, .latent_std = {}}, 1, 1, 4));
}

TEST(GenerationSession, NamesAMissingCheckpoint)
{
    const auto session = GenerationSession::open("/nonexistent/checkpoint");
    ASSERT_FALSE(session);
    EXPECT_FALSE(session.error().message.empty());
}

} // namespace
} // namespace velamen::generate
