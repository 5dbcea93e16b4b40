// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every sampler over every schedule, prediction, spacing and number of steps. Oracle: diffusers on
// a fixed fake model output, see make_sampler_goldens.py.

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/diffusion/sampler.h"
#include "tests/engine/nn/golden.h"

namespace velamen::diffusion {
namespace {

constexpr std::array kSteps{1, 7, 50};
constexpr std::array kPredictions{"epsilon", "v_prediction", "sample"};
constexpr std::array kSpacings{"leading", "linspace", "trailing"};
constexpr std::size_t kCosine = 2; // it and the next, of zero SNR, end in noise alone

const test::Golden& golden()
{
    static const test::Golden instance("samplers");
    return instance;
}

/// The same function as in make_sampler_goldens.py.
at::Tensor fake_model(const at::Tensor& x, const at::Tensor& t)
{
    return 0.9 * x + 0.1 * torch::sin(2.0 * x) + (t / 5000.0).view({-1, 1, 1, 1});
}

constexpr double kTolerance = 1e-6;

struct Case {
    const char* golden;
    SamplerKind kind;
    double eta = 0.0;
};

class Samplers : public testing::TestWithParam<Case> {
protected:
    Schedule schedule(std::size_t number, const char* prediction, const char* spacing) const
    {
        const io::Json all = golden().json("schedules");
        io::Json json = all.if_array()->at(number);
        json["prediction_type"] = prediction;
        json["timestep_spacing"] = spacing;
        json["steps_offset"] = std::string_view(spacing) == "leading" ? 1 : 0;
        return test::value(Schedule::from_json(json));
    }
};

TEST_P(Samplers, StepAsDiffusersDoes)
{
    const at::Tensor outputs = golden()[GetParam().golden], noise = golden()["noise"];
    int compared = 0;
    for (std::size_t s = 0; s < 4; ++s)
        for (std::size_t p = 0; p < kPredictions.size(); ++p)
            for (std::size_t g = 0; g < kSpacings.size(); ++g)
                for (std::size_t n = 0; n < kSteps.size(); ++n) {
                    const at::Tensor wanted =
                        outputs[static_cast<std::int64_t>(s)][static_cast<std::int64_t>(p)]
                               [static_cast<std::int64_t>(g)][static_cast<std::int64_t>(n)];
                    SCOPED_TRACE(testing::Message()
                                 << GetParam().golden << " schedule " << s << " " << kPredictions[p]
                                 << " " << kSpacings[g] << " " << kSteps[n]);
                    const at::Tensor got = test::value(sample(
                        schedule(s, kPredictions[p], kSpacings[g]),
                        {.kind = GetParam().kind, .steps = kSteps[n], .eta = GetParam().eta},
                        fake_model, golden()["x"], [&](int step) { return noise[step]; }, {}, {}));
                    // Where x is noise alone diffusers divides by zero (a predicted noise says
                    // nothing there) or takes the root of a rounding error below zero (eta).
                    if (!at::isfinite(wanted).all().item<bool>()) {
                        EXPECT_GE(s, kCosine);
                        continue;
                    }
                    EXPECT_LE((got - wanted).abs().max().item<double>(),
                              kTolerance * std::max(1.0, wanted.abs().max().item<double>()));
                    ++compared;
                }
    EXPECT_GE(compared, 90); // of 108
}

TEST_P(Samplers, VisitTheTimesOfDiffusers)
{
    const at::Tensor times = golden()[std::string(GetParam().golden) + "/times"];
    for (std::size_t g = 0; g < kSpacings.size(); ++g)
        for (std::size_t n = 0; n < kSteps.size(); ++n) {
            const auto visited = test::value(
                timesteps(schedule(0, "epsilon", kSpacings[g]),
                          {.kind = GetParam().kind, .steps = kSteps[n], .eta = GetParam().eta}));
            const at::Tensor wanted =
                times[static_cast<std::int64_t>(g)][static_cast<std::int64_t>(n)].contiguous();
            ASSERT_EQ(visited.size(), static_cast<std::size_t>(kSteps[n]));
            for (std::size_t i = 0; i < visited.size(); ++i)
                EXPECT_EQ(visited[i], wanted.const_data_ptr<float>()[i])
                    << kSpacings[g] << " " << kSteps[n] << " step " << i;
        }
}

/// A network that knows where it leads: whatever x is, its answer is that of `goal`.
Denoiser leading_to(const at::Tensor& goal, const Schedule& schedule, const char* prediction)
{
    return [=](const at::Tensor& x, const at::Tensor& t) {
        const double ratio = schedule.noise_ratio(t.item<float>());
        const double alpha = 1.0 / std::sqrt(ratio * ratio + 1.0), sigma = ratio * alpha;
        const at::Tensor eps = (x - alpha * goal) / sigma;
        if (std::string_view(prediction) == "epsilon") return eps;
        return std::string_view(prediction) == "sample" ? goal : alpha * eps - sigma * goal;
    };
}

TEST_P(Samplers, TellWhereEachStepLeads)
{
    const at::Tensor goal = golden()["noise"][0], noise = golden()["noise"];
    for (const std::size_t s :
         {std::size_t{0}, std::size_t{1}}) // an x of noise alone leads nowhere
        for (const char* prediction : kPredictions) {
            const Schedule one = schedule(s, prediction, "leading");
            int seen = 0;
            const at::Tensor got = test::value(sample(
                one, {.kind = GetParam().kind, .steps = 7, .eta = GetParam().eta},
                leading_to(goal, one, prediction), golden()["x"],
                [&](int step) { return noise[step]; }, {},
                [&](const SamplerStep& step) {
                    EXPECT_EQ(step.done, ++seen);
                    const at::Tensor made = step.denoised();
                    EXPECT_EQ(made.scalar_type(), at::kFloat);
                    EXPECT_LE((made - goal).abs().max().item<double>(), 1e-4)
                        << GetParam().golden << " " << prediction << " step " << step.done;
                }));
            EXPECT_EQ(seen, 7);
        }
}

INSTANTIATE_TEST_SUITE_P(All, Samplers,
                         testing::Values(Case{"ddim", SamplerKind::Ddim},
                                         Case{"ddim_eta", SamplerKind::Ddim, 1.0},
                                         Case{"ddpm", SamplerKind::Ddpm},
                                         Case{"dpm++2m", SamplerKind::DpmSolverPp2M},
                                         Case{"dpm++2m-sde", SamplerKind::DpmSolverPp2MSde},
                                         Case{"euler", SamplerKind::Euler},
                                         Case{"euler-a", SamplerKind::EulerAncestral}),
                         [](const auto& one) {
                             std::string name = one.param.golden;
                             std::ranges::replace_if(
                                 name, [](char c) { return std::isalnum(c) == 0; }, '_');
                             return name;
                         });

TEST(SamplerNames, AreReadAsTheyAreWritten)
{
    for (const SamplerKind kind : kSamplerKinds)
        EXPECT_EQ(sampler_of(name_of(kind)), kind);
    EXPECT_EQ(sampler_of("plms"), std::nullopt);
}

TEST(Samplers, ThatTakeNoiseRefuseToRunWithoutIt)
{
    const Schedule schedule = test::value(Schedule::create({}));
    for (const SamplerKind kind : kSamplerKinds) {
        const auto done =
            sample(schedule, {.kind = kind, .steps = 2}, fake_model, golden()["x"], {}, {}, {});
        const bool is_deterministic = kind == SamplerKind::Ddim
            || kind == SamplerKind::DpmSolverPp2M || kind == SamplerKind::Euler;
        EXPECT_EQ(static_cast<bool>(done), is_deterministic) << name_of(kind);
    }
}

} // namespace
} // namespace velamen::diffusion
