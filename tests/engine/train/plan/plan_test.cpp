// SPDX-License-Identifier: GPL-3.0-or-later

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <gtest/gtest.h>

#include "engine/privacy/accountant.h"
#include "engine/train/plan.h"
#include "engine/train/plan_check.h"

namespace velamen::train {
namespace {

PlanRequest digits()
{
    PlanRequest request;
    request.checkpoint = "letters";
    request.source = "digits.zip";
    request.classes = {"0", "1"};
    request.epsilon = 10.0;
    request.delta = 1e-5;
    request.public_units = 20000;
    return request;
}

double epsilon_of(const PrivacyPlan& p)
{
    const privacy::Segment segment{{*privacy::SamplingRate::create(p.rate),
                                    *privacy::NoiseMultiplier::create(p.noise_effective)},
                                   *privacy::Steps::create(p.steps)};
    return privacy::pld_epsilon({&segment, 1}, *privacy::Delta::create(p.delta))->value();
}

TEST(Plan, SpendsAtMostTheDeclaredEpsilonAndAlmostAllOfIt)
{
    for (const double epsilon : {0.5, 1.0, 10.0}) {
        PlanRequest request = digits();
        request.epsilon = epsilon;
        const auto plan = make_plan(request);
        ASSERT_TRUE(plan) << plan.error().message;
        const double spent = epsilon_of(plan->privacy);
        EXPECT_LE(spent, epsilon);
        EXPECT_GT(spent, epsilon * 0.999);
    }
}

// Oracle: the joint Gaussian of gradient and loss, sigma_eff^-2 = sigma_g^-2 + sigma_s^-2.
TEST(Plan, ChargesTheNoisedLossTogetherWithTheGradient)
{
    const auto plan = make_plan(digits());
    ASSERT_TRUE(plan);
    const PrivacyPlan& p = plan->privacy;
    EXPECT_NEAR(1.0 / (p.noise_effective * p.noise_effective),
                1.0 / (p.noise_gradient * p.noise_gradient) + 1.0 / (p.noise_loss * p.noise_loss),
                1e-9);
    EXPECT_GT(p.noise_gradient, p.noise_effective);
}

// Oracle: in squares, a release of four times the noise that alone would be all of epsilon is a
// sixteenth of it.
TEST(Plan, AWarmStartTakesLittleOfEpsilonWhateverTheNumberOfUnits)
{
    const std::array<std::pair<double, std::int64_t>, 3> cases{
        {{0.1, 200}, {1.0, 20'000}, {10.0, 1'000'000}}};
    for (const auto& [epsilon, units] : cases) {
        PlanRequest request = digits();
        request.epsilon = epsilon;
        request.delta = 1e-7;
        request.public_units = units;
        request.steps = 100;
        const auto cold = make_plan(request);
        request.warm_start = request.class_votes = true;
        const auto warm = make_plan(request);
        ASSERT_TRUE(cold && warm) << units;
        // Not less, but for what both searches leave open.
        EXPECT_GT(warm->privacy.noise_effective, (1.0 - 2e-4) * cold->privacy.noise_effective)
            << units;
        EXPECT_LT(warm->privacy.noise_effective, 1.1 * cold->privacy.noise_effective) << units;
        const double each = static_cast<double>(units) / 2.0;
        EXPECT_GE(warm->privacy.noise_votes, each / 40.0) << units;
        EXPECT_GE(warm->privacy.noise_warm_start, each / 100.0) << units;
    }
}

TEST(Plan, ChargesVotesBeforeMoments)
{
    PrivacyPlan p;
    EXPECT_TRUE(warm_start_charges(p)->empty());
    p.noise_warm_start = 20.0;
    p.noise_votes = 50.0;
    const auto charges = warm_start_charges(p);
    ASSERT_TRUE(charges);
    ASSERT_EQ(charges->size(), 2U);
    EXPECT_EQ((*charges)[0].purpose, "class_votes");
    EXPECT_EQ((*charges)[1].purpose, "class_moments");
}

TEST(Plan, ReadsBackWhatItWrote)
{
    const auto plan = make_plan(digits());
    ASSERT_TRUE(plan);
    const auto json = io::Json::parse(plan->to_json().dump(2));
    ASSERT_TRUE(json);
    const auto again = TrainingPlan::from_json(*json);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->to_json(), plan->to_json());
}

TEST(Plan, RefusesWhatWouldNotProtect)
{
    struct Case {
        const char* what;
        void (*change)(PlanRequest&);
    };
    const std::array<Case, 10> cases{{
        {"epsilon 0", [](PlanRequest& r) { r.epsilon = 0.0; }},
        {"epsilon below 0", [](PlanRequest& r) { r.epsilon = -1.0; }},
        {"epsilon not a number",
         [](PlanRequest& r) { r.epsilon = std::numeric_limits<double>::quiet_NaN(); }},
        {"epsilon infinite",
         [](PlanRequest& r) { r.epsilon = std::numeric_limits<double>::infinity(); }},
        {"delta at 1/N", [](PlanRequest& r) { r.delta = 1.0 / 20000.0; }},
        {"delta 1", [](PlanRequest& r) { r.delta = 1.0; }},
        {"99 units", [](PlanRequest& r) { r.public_units = 99; }},
        {"batch above N", [](PlanRequest& r) { r.expected_batch = 20001; }},
        {"negative steps", [](PlanRequest& r) { r.steps = -5; }},
        {"no class", [](PlanRequest& r) { r.classes.clear(); }},
    }};
    for (const Case& c : cases) {
        PlanRequest request = digits();
        c.change(request);
        const auto plan = make_plan(request);
        ASSERT_FALSE(plan) << c.what;
        EXPECT_FALSE(plan.error().message.empty()) << c.what;
        EXPECT_FALSE(plan.error().hint.empty()) << c.what;
    }
}

TEST(Plan, RefusesWhatTheClipperCannotDo)
{
    struct Case {
        const char* what;
        void (*change)(TrainingPlan&);
    };
    const std::array<Case, 7> cases{{
        {"C is 0", [](TrainingPlan& p) { p.optimiser.clipping_norm = 0.0; }},
        {"C below 0", [](TrainingPlan& p) { p.optimiser.clipping_norm = -1.0; }},
        {"C not a number",
         [](TrainingPlan& p) {
             p.optimiser.clipping_norm = std::numeric_limits<double>::quiet_NaN();
         }},
        {"K is 0", [](TrainingPlan& p) { p.optimiser.noise_multiplicity = 0; }},
        {"B above N", [](TrainingPlan& p) { p.privacy.expected_batch = 20001; }},
        {"automatic with another C", [](TrainingPlan& p) { p.optimiser.clipping = "automatic"; }},
        {"automatic with a clipped fraction",
         [](TrainingPlan& p) {
             p.optimiser.clipping = "automatic";
             p.optimiser.clipping_norm = 1.0;
             p.privacy.noise_clipped = 8.0;
         }},
    }};
    for (const Case& c : cases) {
        auto plan = make_plan(digits());
        ASSERT_TRUE(plan);
        c.change(*plan);
        const auto checked = check_plan(*plan);
        ASSERT_FALSE(checked) << c.what;
        EXPECT_FALSE(checked.error().message.empty()) << c.what;
        EXPECT_FALSE(checked.error().hint.empty()) << c.what;
    }
}

PlanRequest patients()
{
    PlanRequest request = digits();
    request.keys = {.label = "folder", .unit = "column:patient"};
    request.unit = "patient";
    return request;
}

TEST(Plan, CallsAUnitWhatItsKeyTellsApart)
{
    EXPECT_TRUE(make_plan(patients()));
    const auto refused = [](void (*change)(PlanRequest&)) {
        PlanRequest request = patients();
        change(request);
        const auto plan = make_plan(request);
        return !plan && plan.error().code == ErrorCode::InvalidArgument
            && !plan.error().hint.empty();
    };
    EXPECT_TRUE(refused([](PlanRequest& r) { r.unit = "image"; }));
    EXPECT_TRUE(refused([](PlanRequest& r) { r.keys.unit = "file"; }));
    EXPECT_TRUE(refused([](PlanRequest& r) { r.keys.unit = "patient"; }));
    EXPECT_TRUE(refused([](PlanRequest& r) { r.keys.label = "column:"; }));
    EXPECT_TRUE(refused([](PlanRequest& r) { r.unit = "one patient"; })); // no name for a ledger
    EXPECT_TRUE(refused([](PlanRequest& r) { r.noise_multiplicity = 0; }));
    EXPECT_TRUE(refused([](PlanRequest& r) { r.images_per_unit = -1; }));
}

TEST(Plan, KeepsAboutAsManyRowsInAPassWhateverAUnitHolds)
{
    const auto plan_with = [](PlanRequest request, std::int64_t images, std::int64_t draws) {
        request.images_per_unit = images;
        request.noise_multiplicity = draws;
        return make_plan(request).value();
    };
    EXPECT_EQ(plan_with(digits(), 0, 1).micro_batch, 250);    // eight passes of a batch of 2,000
    EXPECT_EQ(rows_per_unit(plan_with(patients(), 0, 1)), 4); // four images of a patient
    EXPECT_EQ(plan_with(patients(), 0, 1).micro_batch, 64);
    EXPECT_EQ(plan_with(patients(), 3, 4).micro_batch, 21);
    EXPECT_EQ(plan_with(patients(), 1024, 1).micro_batch, 1);
}

TEST(Plan, RefusesAFileWhoseNumbersDisagree)
{
    auto json = make_plan(digits())->to_json();
    json["privacy"]["rate"] = 0.01;
    EXPECT_FALSE(TrainingPlan::from_json(json));
    json = make_plan(digits())->to_json();
    json["schema"] = 99;
    const auto newer = TrainingPlan::from_json(json);
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code, ErrorCode::Unsupported);
}

} // namespace
} // namespace velamen::train
