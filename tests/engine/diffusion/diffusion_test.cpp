// SPDX-License-Identifier: GPL-3.0-or-later
//
// Schedules, targets and samplers against diffusers on a fixed fake model output.

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/diffusion/sampler.h"
#include "engine/diffusion/target.h"
#include "tests/engine/nn/golden.h"

namespace velamen::diffusion {
namespace {

const test::Golden& golden()
{
    static const test::Golden instance("schedules");
    return instance;
}

Schedule schedule(const std::string& name, bool clip = false)
{
    io::Json json = *golden().json("configs").find(name);
    json["clip_sample"] = clip;
    return test::value(Schedule::from_json(json));
}

/// The same function as in make_nn_goldens.py.
at::Tensor fake_model(const at::Tensor& x, const at::Tensor& t)
{
    return 0.9 * x + 0.1 * torch::sin(2.0 * x) + (t / 5000.0).view({-1, 1, 1, 1});
}

at::Tensor run(const Schedule& s, const SamplerOptions& options)
{
    const at::Tensor noise = golden()["noise"];
    return test::value(sample(s, options, fake_model, golden()["x"],
                              [&](int step) { return noise[step]; }, {}, {}));
}

std::vector<float> times_of(const at::Tensor& t)
{
    return {t.const_data_ptr<std::int64_t>(), t.const_data_ptr<std::int64_t>() + t.numel()};
}

class Schedules : public testing::TestWithParam<const char*> {};

// Oracle: diffusers, here and below.
TEST_P(Schedules, HasTheAlphasOfDiffusers)
{
    test::expect_close(schedule(GetParam()).alphas_cumprod(),
                       golden()[std::string(GetParam()) + "/alphas_cumprod"], 1e-7);
}

TEST_P(Schedules, AddsNoiseAndAsksForTheTargetOfDiffusers)
{
    const std::string name = GetParam();
    const Schedule s = schedule(name);
    const auto x0 = golden()["x"], noise = golden()["noise"][0], t = torch::tensor({0, 613});
    test::expect_close(add_noise(s, x0, noise, t), golden()[name + "/noisy"], 1e-6);
    switch (s.options().prediction_type) {
    case PredictionType::Epsilon:
        EXPECT_TRUE(torch::equal(target(s, x0, noise, t), noise));
        break;
    case PredictionType::Sample:
        EXPECT_TRUE(torch::equal(target(s, x0, noise, t), x0));
        break;
    case PredictionType::VPrediction:
        test::expect_close(target(s, x0, noise, t), golden()[name + "/velocity"], 1e-6);
        break;
    }
}

TEST_P(Schedules, DdimStepsAsDiffusersDoes)
{
    const std::string name = GetParam();
    for (const auto& [steps, eta] : std::vector<std::pair<int, double>>{{5, 0}, {20, 0}, {7, 1}})
        for (bool clip : {false, true}) {
            const Schedule s = schedule(name, clip);
            const SamplerOptions options{.steps = steps, .eta = eta};
            const std::string key = name + "/ddim/" + std::to_string(steps);
            EXPECT_EQ(test::value(timesteps(s, options)), times_of(golden()[key + "/times"]));
            const std::string out = key + (eta > 0 ? "/1/" : "/0/") + (clip ? "1" : "0");
            test::expect_close(run(s, options), golden()[out], 1e-5, out);
        }
}

TEST_P(Schedules, DpmSolverStepsAsDiffusersDoes)
{
    const std::string name = GetParam();
    const Schedule s = schedule(name);
    for (int steps : {1, 5, 20}) {
        const SamplerOptions options{.kind = SamplerKind::DpmSolverPp2M, .steps = steps};
        const std::string key = name + "/dpm/" + std::to_string(steps);
        EXPECT_EQ(test::value(timesteps(s, options)), times_of(golden()[key + "/times"]));
        test::expect_close(run(s, options), golden()[key], 1e-5, key);
    }
}

TEST_P(Schedules, ReadsWhatItWrote)
{
    const Schedule s = schedule(GetParam(), true);
    const Schedule again = test::value(Schedule::from_json(s.to_json()));
    EXPECT_EQ(again.to_json(), s.to_json());
    EXPECT_TRUE(torch::equal(again.alphas_cumprod(), s.alphas_cumprod()));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Schedules, testing::Values("sd", "v", "cosine", "linear"));

TEST(Schedule, AnAbsentClipSampleMeansTrueAsInDiffusers)
{
    EXPECT_TRUE(test::value(Schedule::from_json(io::Json::object())).options().clip_sample);
}

TEST(Schedule, RefusesWhatItDoesNotKnow)
{
    for (const auto& [key, value] :
         std::vector<std::pair<std::string, io::Json>>{{"beta_schedule", "sigmoid"},
                                                       {"prediction_type", "flow_prediction"},
                                                       {"thresholding", true},
                                                       {"num_train_timesteps", 0},
                                                       {"beta_end", 1.5},
                                                       {"steps_offset", -1}}) {
        io::Json json = io::Json::object();
        json[key] = value;
        EXPECT_FALSE(Schedule::from_json(json)) << key;
    }
}

TEST(Sampler, StopsBetweenStepsAndSaysSo)
{
    std::stop_source stop;
    int done = 0;
    const auto result = sample(schedule("sd"), {.steps = 10}, fake_model, golden()["x"], {},
                               stop.get_token(), [&](const SamplerStep& step) {
                                   EXPECT_EQ(step.total, 10);
                                   done = step.done;
                                   if (step.done == 3) stop.request_stop();
                               });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::Cancelled);
    EXPECT_EQ(done, 3);
}

TEST(Sampler, RefusesStepsThatTheScheduleDoesNotHave)
{
    const Schedule s = schedule("sd"); // offset 1: step 1000 would need alpha 1000
    EXPECT_FALSE(timesteps(s, {.steps = 0}));
    EXPECT_FALSE(timesteps(s, {.steps = 1001}));
    EXPECT_FALSE(timesteps(s, {.steps = 1000}));
    EXPECT_TRUE(timesteps(s, {.steps = 999}));
}

TEST(Sampler, TurnsAnExceptionOfTheDenoiserIntoAnError)
{
    const auto result = sample(
        schedule("sd"), {.steps = 2},
        [](const at::Tensor&, const at::Tensor&) -> at::Tensor { throw std::runtime_error("no"); },
        golden()["x"], {}, {}, {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::Internal);
}

} // namespace
} // namespace velamen::diffusion
