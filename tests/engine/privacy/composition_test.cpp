// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sums over all kinds of events, and their form in the ledger. Oracles: closed forms, the Renyi
// integral of the definition, and the accountants of single kinds.

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/privacy/composition.h"
#include "engine/privacy/ledger_line.h"
#include "engine/privacy/mechanisms.h"
#include "engine/privacy/renyi.h"
#include "engine/privacy/totals.h"

namespace velamen::privacy {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr auto kDelta = Delta::literal(1e-5);

SubsampledGaussian step(double rate, double noise)
{
    return {SamplingRate::create(rate).value(), NoiseMultiplier::create(noise).value()};
}

Steps times(std::int64_t count) { return Steps::create(count).value(); }

Guarantee guarantee(double epsilon, double delta = 0.0)
{
    return {Epsilon::create(epsilon).value(), delta};
}

LaplaceNoise laplace(double scale) { return {NoiseMultiplier::create(scale).value()}; }

std::vector<Event> all_kinds()
{
    return {step(0.01, 1.5),
            SubsampledDiscreteGaussian{step(0.01, 1.5)},
            CappedGaussian{step(0.01, 1.5), 10'000, 160},
            laplace(20.0),
            guarantee(0.1, 1e-9),
            BestOfRuns{step(0.01, 2.0), times(100), {10.0, 1.0}}};
}

TEST(RenyiPart, OfAGuaranteeIsThatOfRandomizedResponse)
{
    for (const double e : {1e-6, 0.1, 1.0, 30.0})
        for (const double alpha : {1.1, 2.0, 17.0, 512.0}) {
            const long double p = 1.0L / (1.0L + std::exp(static_cast<long double>(-e)));
            const long double q = 1.0L / (1.0L + std::exp(static_cast<long double>(e)));
            const long double a = alpha;
            const long double exact =
                std::log(std::pow(p, a) * std::pow(q, 1 - a) + std::pow(q, a) * std::pow(p, 1 - a))
                / (a - 1);
            const RenyiPart part = renyi_of(guarantee(e, 0.25), alpha);
            EXPECT_EQ(part.failure, 0.25);
            if (!std::isfinite(static_cast<double>(exact))) continue;
            EXPECT_GE(part.divergence, static_cast<double>(exact) * (1.0 - 1e-12) - 1e-18) << e;
            EXPECT_LE(part.divergence, static_cast<double>(exact) * (1.0 + 1e-6) + 1e-14)
                << e << ' ' << alpha;
        }
    EXPECT_EQ(renyi_of(guarantee(kInfinity), 2.0).divergence, kInfinity);
}

// Where the cap is never met the pmf must give what the series gives, from above.
TEST(RenyiPart, OfACappedDrawIsThatOfTheStepWhereTheCapIsNeverMet)
{
    for (const double alpha : {1.5, 2.0, 8.0}) { // above, the tail is failure instead
        const double plain = renyi_of(step(0.01, 1.5), alpha).divergence;
        const RenyiPart capped = renyi_of(CappedGaussian{step(0.01, 1.5), 10'000, 300}, alpha);
        EXPECT_GE(capped.divergence, plain * (1.0 - 1e-9)) << alpha;
        EXPECT_LE(capped.divergence, plain * 1.02) << alpha;
        EXPECT_LT(capped.failure, 1e-20);
        const RenyiPart tight = renyi_of(CappedGaussian{step(0.01, 1.5), 10'000, 110}, alpha);
        EXPECT_GT(tight.divergence, capped.divergence) << alpha;
    }
}

TEST(RenyiPart, OfTheDiscreteGaussianUsesTheNextIntegerOrder)
{
    const Event event = SubsampledDiscreteGaussian{step(0.02, 1.2)};
    for (const double alpha : {1.1, 2.0, 2.5, 63.7})
        EXPECT_EQ(renyi_of(event, alpha).divergence,
                  rdp_of(step(0.02, 1.2), times(1), std::ceil(alpha)));
}

TEST(RenyiPart, IsInfiniteForWhatIsNoEventOrOrder)
{
    for (const Event& event : all_kinds())
        for (const double alpha : {1.0, -3.0, kInfinity, static_cast<double>(NAN)})
            EXPECT_EQ(renyi_of(event, alpha).divergence, kInfinity);
    EXPECT_EQ(renyi_of(guarantee(1.0, -0.1), 2.0).divergence, kInfinity);
    EXPECT_EQ(renyi_of(CappedGaussian{step(0.1, 1.0), 0, 1}, 2.0).divergence, kInfinity);
    EXPECT_EQ(renyi_of(BestOfRuns{step(0.1, 1.0), times(1), {0.5, 1.0}}, 2.0).divergence,
              kInfinity);
    EXPECT_EQ(renyi_of(SubsampledDiscreteGaussian{step(0.1, 1.0)}, 2.0, Neighbours::ReplaceOne)
                  .divergence,
              kInfinity);
}

TEST(Composed, RenyiOfHardenedStepsIsThatOfTheirOwnAccountant)
{
    const std::vector<Segment> segments{{step(0.02, 1.5), times(500)}, {step(0.01, 4.0), times(9)}};
    std::vector<Spending> all;
    for (const Segment& segment : segments)
        all.push_back({SubsampledDiscreteGaussian{segment.event}, segment.steps});
    const Bound bound = bound_of(all, kDelta).value();
    double own = kInfinity; // by the obvious loop over integer orders
    for (int order = 2; order <= 256; ++order) {
        double r = 0.0;
        for (const Segment& segment : segments)
            r += rdp_of(segment.event, segment.steps, order);
        own = std::min(own, renyi_epsilon(r, order, kDelta.value()));
    }
    EXPECT_TRUE(bound.is_renyi_only);
    EXPECT_EQ(bound.epsilon, bound.rdp.epsilon);
    EXPECT_NEAR(bound.epsilon.value(), own, 1e-3 * own); // of slightly different orders
    EXPECT_GE(bound.epsilon, pld_epsilon(segments, kDelta).value());
    EXPECT_FALSE(composed_epsilon(all, kDelta));
}

TEST(Composed, RenyiOfTheBestOfRunsIsItsOwnBound)
{
    const BestOfRuns best{step(0.01, 1.0), times(1000), {10.0, 1.0}};
    const Segment run{best.step, best.steps};
    const double own = best_of_runs_epsilon({&run, 1}, best.repeats, kDelta)->epsilon.value();
    const Spending one{best, times(1)};
    EXPECT_NEAR(composed_rdp({&one, 1}, kDelta)->epsilon.value(), own, 1e-6 * own);
}

// T pure guarantees of epsilon e are at most T e, and advanced composition has to be found.
TEST(Composed, RenyiOfManyGuaranteesIsFarBelowTheirSum)
{
    const Spending many{guarantee(0.01), times(10'000)};
    const double rdp = composed_rdp({&many, 1}, kDelta)->epsilon.value();
    EXPECT_LT(rdp, 0.06 * 100.0);
    EXPECT_GE(rdp, composed_epsilon({&many, 1}, kDelta)->value());
    const Spending few{guarantee(0.01, 2e-6), times(5)}; // all of delta may fail
    EXPECT_EQ(composed_rdp({&few, 1}, kDelta)->epsilon.value(), kInfinity);
}

TEST(Composed, NeverGetsCheaperByAnotherEvent)
{
    const auto kinds = all_kinds();
    std::vector<double> alone;
    for (const Event& event : kinds) {
        const Spending one{event, times(2)};
        alone.push_back(bound_of({&one, 1}, kDelta)->epsilon.value());
    }
    for (std::size_t i = 0; i < kinds.size(); ++i)
        for (std::size_t j = i; j < kinds.size(); ++j) {
            const std::vector<Spending> both{{kinds[i], times(2)}, {kinds[j], times(2)}};
            const Bound together = bound_of(both, kDelta).value();
            EXPECT_GE(together.epsilon.value(), std::max(alone[i], alone[j]) * (1.0 - 1e-6))
                << i << ' ' << j;
            EXPECT_EQ(together.is_renyi_only, is_renyi_only(kinds[i]) || is_renyi_only(kinds[j]));
        }
}

TEST(Composed, AttackerIsBoundedForEveryKind)
{
    for (const Event& event : all_kinds()) {
        const Spending one{event, times(10)};
        const double rate = attacker_rate({&one, 1}, 0.01).value();
        EXPECT_GT(rate, 0.01) << event.index(); // guessing alone gives that
        EXPECT_LT(rate, 0.5) << event.index();
    }
    EXPECT_FALSE(attacker_rate({}, 1.5));
    EXPECT_NEAR(attacker_rate({}, 0.25).value(), 0.25, 1e-5); // nothing was released
    const Spending open{guarantee(kInfinity), times(1)};
    EXPECT_EQ(attacker_rate({&open, 1}, 0.01).value(), 1.0);
}

// One Gaussian release: Phi(Phi^-1(f) + 1 / sigma) exactly; Renyi divergences lie above, not far.
TEST(Composed, AttackerOfHardenedNoiseIsAboveTheExactOne)
{
    for (const auto& [noise, f, exact] :
         {std::tuple{1.0, 0.01, 0.09236}, {2.0, 0.01, 0.03390}, {0.5, 0.05, 0.63876}}) {
        const Spending one{SubsampledDiscreteGaussian{step(1.0, noise)}, times(1)};
        const double rate = attacker_rate({&one, 1}, f).value();
        EXPECT_GE(rate, exact) << noise;
        EXPECT_LE(rate, 2.5 * exact) << noise;
    }
}

TEST(Composed, NoiseBesideOtherReleasesIsTheLeastThatFits)
{
    const Spending other{step(1.0, 20.0), times(1)};
    const auto rate = SamplingRate::literal(0.1);
    for (const bool is_hardened : {false, true})
        for (const double target : {1.0, 10.0}) {
            const auto epsilon = Epsilon::create(target).value();
            const auto noise =
                calibrate_beside({&other, 1}, epsilon, kDelta, rate, times(100), is_hardened);
            ASSERT_TRUE(noise) << noise.error().message;
            const auto epsilon_at = [&](double sigma) {
                const SubsampledGaussian one = step(0.1, sigma);
                const Event event = is_hardened ? Event(SubsampledDiscreteGaussian{one}) : one;
                const std::vector<Spending> all{other, {event, times(100)}};
                return bound_of(all, kDelta)->epsilon;
            };
            EXPECT_LE(epsilon_at(noise->value()), epsilon);
            EXPECT_GT(epsilon_at(noise->value() * (1.0 - 1e-3)), epsilon);
            const auto alone = calibrate_beside({}, epsilon, kDelta, rate, times(100), is_hardened);
            EXPECT_LT(alone->value(), noise->value());
        }
    const auto refused =
        calibrate_beside({&other, 1}, Epsilon::literal(0.05), kDelta, rate, times(100), false);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().hint, HasSubstr("nearest"));
}

LedgerEntry entry(LedgerEvent event, const std::string& unit = "image")
{
    LedgerEntry made{.prev = no_hash(), .run = "run", .unit = unit};
    made.event = std::move(event);
    return made;
}

std::vector<LedgerEvent> all_ledger_events()
{
    const TrainingSteps plain{.rate = 0.02,
                              .noise_gradient = 1.5,
                              .noise_loss = 8.0,
                              .noise_effective = 1.25,
                              .steps = 3};
    TrainingSteps hardened = plain, clipped = plain, capped = plain;
    hardened.is_hardened = true;
    clipped.noise_clipped = 16.0;
    capped.cap = DrawCap{10'000, 300};
    return {plain,
            hardened,
            clipped,
            capped,
            NoisyRelease{"feature_moments", step(1.0, 20.0), 1},
            NoisyRelease{"class_votes", laplace(10.0), 2},
            NoisyRelease{"elsewhere", guarantee(0.5, 1e-8), 1},
            NoisyRelease{"search", BestOfRuns{step(0.01, 2.0), times(100), {10.0, 1.0}}, 1},
            NoisyRelease{"search", BestOfRuns{step(0.01, 2.0), times(100), {10.0, kInfinity}}, 1}};
}

// The form is frozen: these bytes have been written, and mean what they meant.
TEST(LedgerEvents, AreWrittenInTheirFrozenForm)
{
    const std::vector<std::string> forms{
        R"({"type":"poisson_subsampled_gaussian","rate":0.02,"noise_gradient":1.5,"noise_loss":8.0,"noise_effective":1.25,"steps":3})",
        R"({"type":"poisson_subsampled_discrete_gaussian","rate":0.02,"noise_gradient":1.5,"noise_loss":8.0,"noise_effective":1.25,"steps":3})",
        R"({"type":"poisson_subsampled_gaussian","rate":0.02,"noise_gradient":1.5,"noise_loss":8.0,"noise_clipped":16.0,"noise_effective":1.25,"steps":3})",
        R"({"type":"truncated_poisson_subsampled_gaussian","rate":0.02,"noise_gradient":1.5,"noise_loss":8.0,"noise_effective":1.25,"units":10000,"cap":300,"steps":3})",
        R"({"type":"gaussian","purpose":"feature_moments","noise":20.0,"steps":1})",
        R"({"type":"laplace","purpose":"class_votes","scale":10.0,"steps":2})",
        R"({"type":"guarantee","purpose":"elsewhere","epsilon":0.5,"delta":1e-08,"steps":1})",
        R"({"type":"best_of_runs","purpose":"search","mean":10.0,"shape":1.0,"rate":0.01,"noise_effective":2.0,"run_steps":100,"steps":1})",
        R"({"type":"best_of_runs","purpose":"search","mean":10.0,"shape":null,"rate":0.01,"noise_effective":2.0,"run_steps":100,"steps":1})",
    };
    const auto events = all_ledger_events();
    ASSERT_EQ(events.size(), forms.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
        const std::string line = line_of(entry(events[i]));
        EXPECT_THAT(line, HasSubstr("\"event\":" + forms[i] + "}")) << i;
        ASSERT_TRUE(check_entry(entry(events[i]))) << check_entry(entry(events[i])).error().message;
        for (const auto& read : {entry_of(line), entry_of_json(line)}) {
            ASSERT_TRUE(read) << read.error().message;
            EXPECT_EQ(read->event, events[i]) << line;
        }
    }
}

TEST(LedgerEvents, OfUnknownKindsAreLeftToANewerProgramAndOthersRefused)
{
    const auto changed = [](const LedgerEvent& event, const std::string& from,
                            const std::string& to) {
        std::string line = line_of(entry(event));
        const auto at = line.find(from);
        EXPECT_NE(at, line.npos) << from;
        line.replace(at, from.size(), to);
        return entry_of(line);
    };
    const auto events = all_ledger_events();
    EXPECT_EQ(changed(events[4], "\"gaussian\"", "\"skellam\"").error().code,
              ErrorCode::Unsupported);
    EXPECT_EQ(changed(events[4], "\"noise\":20.0", "\"noise\":20.0,\"free\":1").error().code,
              ErrorCode::Corrupt);
    EXPECT_FALSE(changed(events[0], "\"noise_loss\":8.0,", ""));
    EXPECT_FALSE(changed(events[0], "\"noise_loss\":8.0,", "\"noise_loss\":8.0,\"units\":9,"));
    EXPECT_FALSE(changed(events[2], "16.0", "null"));
    EXPECT_FALSE(changed(events[2], "16.0", "0.5")); // the effective noise is too large for that
    EXPECT_FALSE(changed(events[3], "\"zero_out\"", "\"add_remove\""));
    EXPECT_FALSE(changed(events[3], "\"cap\":300", "\"cap\":0"));
    EXPECT_FALSE(changed(events[4], "feature_moments", "../moments"));
    EXPECT_FALSE(changed(events[5], "\"scale\":10.0", "\"scale\":0.0"));
    EXPECT_FALSE(changed(events[5], "\"steps\":2", "\"steps\":33"));
    EXPECT_FALSE(changed(events[6], "1e-08", "1.5"));
    EXPECT_FALSE(changed(events[6], "\"epsilon\":0.5", "\"epsilon\":-0.5"));
    EXPECT_FALSE(changed(events[7], "\"mean\":10.0", "\"mean\":0.5"));
    EXPECT_FALSE(changed(events[7], "\"run_steps\":100", "\"run_steps\":0"));
    EXPECT_FALSE(check_entry(entry(NoisyRelease{"steps", step(0.5, 2.0), 1})));
    EXPECT_FALSE(
        check_entry(entry(NoisyRelease{"steps", SubsampledDiscreteGaussian{step(1, 2)}, 1})));
}

TEST(LedgerEvents, OfAllKindsHaveOneTotal)
{
    std::vector<LedgerEntry> entries;
    std::vector<Spending> pld, all;
    for (const LedgerEvent& event : all_ledger_events()) {
        entries.push_back(entry(event));
        all.push_back({event_of(event).value(), times(times_of(event))});
        if (!is_renyi_only(all.back().event)) pld.push_back(all.back());
    }
    const Total total = total_of(entries, {}, kDelta).value();
    EXPECT_TRUE(total.is_renyi_only);
    EXPECT_EQ(total.epsilon, total.rdp.epsilon);
    EXPECT_DOUBLE_EQ(total.epsilon.value(), composed_rdp(all, kDelta)->epsilon.value());
    EXPECT_EQ(total.steps, 12);
    EXPECT_EQ(total.releases, 6);
    std::erase_if(entries,
                  [](const LedgerEntry& e) { return is_renyi_only(event_of(e.event).value()); });
    const Total sampled = total_of(entries, {}, kDelta).value();
    EXPECT_FALSE(sampled.is_renyi_only);
    EXPECT_DOUBLE_EQ(sampled.epsilon.value(), composed_epsilon(pld, kDelta)->value());
    EXPECT_LT(sampled.epsilon, sampled.rdp.epsilon);
}

// Groups of k images: closed forms of each kind, and no total with a cap.
TEST(LedgerEvents, OfImagesEnterAPatientTotalAsGroups)
{
    const Claim patients{.unit = "patient", .images_per_unit = 3};
    const auto dominated = [&](const LedgerEvent& event) {
        return dominating(charge_of(entry(event), patients).value());
    };
    const auto events = all_ledger_events();
    EXPECT_NEAR(std::get<SubsampledGaussian>(dominated(events[4])).noise.value(), 20.0 / 3, 1e-9);
    EXPECT_NEAR(std::get<LaplaceNoise>(dominated(events[5])).scale.value(), 10.0 / 3, 1e-9);
    const auto known = std::get<Guarantee>(dominated(events[6]));
    EXPECT_NEAR(known.epsilon.value(), 1.5, 1e-9);
    EXPECT_NEAR(known.delta, 1e-8 * (1 + std::exp(0.5) + std::exp(1.0)), 1e-13);
    EXPECT_EQ(std::get<BestOfRuns>(dominated(events[7])).step, dominating(step(0.01, 2.0), 3));
    EXPECT_EQ(std::get<SubsampledDiscreteGaussian>(dominated(events[1])).step,
              dominating(step(0.02, 1.25), 3));
    EXPECT_EQ(charge_of(entry(events[3]), patients).error().code, ErrorCode::Refused);
}

TEST(LedgerEvents, OfAllKindsAreKeptBelowACeiling)
{
    const Ceiling ceiling{.epsilon = Epsilon::literal(8.0), .delta = kDelta, .order = 6.0};
    for (const LedgerEvent& event : all_ledger_events()) {
        auto filter = RdpFilter::create(ceiling).value();
        const LedgerEntry one = entry(event);
        std::int64_t room = filter.room(one).value();
        if (std::holds_alternative<NoisyRelease>(event)
            && std::holds_alternative<Guarantee>(std::get<NoisyRelease>(event).event)) {
            EXPECT_EQ(room, 0); // its delta alone is more than what failures are given
            EXPECT_TRUE(filter.add(one));
            EXPECT_TRUE(filter.is_passed());
            continue;
        }
        EXPECT_GT(room, 0);
        room = std::min<std::int64_t>(room, 100);
        for (std::int64_t i = 0; i < room / times_of(event); ++i)
            ASSERT_TRUE(filter.add(one));
        EXPECT_FALSE(filter.is_passed());
        EXPECT_LE(filter.spent_epsilon(), ceiling.epsilon);
    }
}

} // namespace
} // namespace velamen::privacy
